import java.io.FileInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import org.apache.pinot.broker.broker.helix.HelixBrokerStarter;
import org.apache.pinot.controller.ControllerStarter;
import org.apache.pinot.server.starter.helix.HelixServerStarter;
import org.apache.pinot.spi.env.PinotConfiguration;
import org.apache.pinot.spi.services.ServiceStartable;

/**
 * Starts one Pinot role, so that pinot-tools (not on Maven Central whole) is not needed:
 * {@code Launcher controller|broker|server FILE.properties}; or prints free ports: {@code Launcher ports N}.
 */
public class Launcher {
  public static void main(String[] args) throws Exception {
    if (args.length != 2) {
      throw new IllegalArgumentException("usage: Launcher controller|broker|server FILE | Launcher ports N");
    }
    if (args[0].equals("ports")) {
      freePorts(Integer.parseInt(args[1])).forEach(System.out::println);
      return;
    }
    Properties file = new Properties();
    try (FileInputStream in = new FileInputStream(args[1])) {
      file.load(in);
    }
    Map<String, Object> settings = new HashMap<>();
    file.forEach((key, value) -> settings.put((String) key, value));
    ServiceStartable role = role(args[0]);
    try {
      role.init(new PinotConfiguration(settings));
      role.start();
    } catch (Throwable broken) {
      // Threads that did start would keep half a server alive.
      broken.printStackTrace();
      Runtime.getRuntime().halt(1);
    }
    System.out.println("lab: " + role.getInstanceId() + " started");
    Thread.currentThread().join();
  }

  private static ServiceStartable role(String name) {
    switch (name) {
      case "controller": return new ControllerStarter();
      case "broker": return new HelixBrokerStarter();
      case "server": return new HelixServerStarter();
      default: throw new IllegalArgumentException("no such role: " + name);
    }
  }

  /**
   * Below the range the kernel takes for outgoing connections (32768 and up): a killed server must find its
   * port free when it comes back, and no client's connection may have taken it meanwhile.
   */
  private static Set<Integer> freePorts(int count) {
    Set<Integer> ports = new LinkedHashSet<>();
    while (ports.size() < count) {
      int port = ThreadLocalRandom.current().nextInt(11000, 32000);
      if (isFree(null, port) && isFree(InetAddress.getLoopbackAddress(), port)) {
        ports.add(port);
      }
    }
    return ports;
  }

  private static boolean isFree(InetAddress address, int port) {
    try (ServerSocket socket = new ServerSocket()) {
      socket.setReuseAddress(false);
      socket.bind(new InetSocketAddress(address, port));
      return true;
    } catch (IOException taken) {
      return false;
    }
  }
}

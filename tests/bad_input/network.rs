//! A target that is not there, lies, is slow or hangs up in the middle of an answer: the error says who was
//! asked, and arrives in bounded time.

use dissent::adapter::http::send;
use dissent::target_error::TargetError;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// What a server does with each connection.
type Manners = fn(TcpStream);

/// Target files for servers that are no targets, named as in the tables. The servers end with the tests.
pub(crate) fn write_targets(at: &Path) {
    let servers: [(&str, Manners); 5] = [
        ("mail-server", |mut stream| reply(&mut stream, b"220 mail.example ESMTP\r\n")),
        ("other-web-server", |mut stream| {
            reply(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n<html></html>\n");
        }),
        ("refusing", |mut stream| {
            reply(&mut stream, b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 9\r\n\r\ntoo early");
        }),
        ("half-closed", |mut stream| {
            reply(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"incarnation\":1,");
        }),
        ("silent", say_nothing),
    ];
    let file = |name: &str, url: &str, allow: &str| {
        let text = format!("system = \"specimen-segments\"\nurl = \"{url}\"\n{allow}");
        std::fs::write(at.join(format!("{name}.toml")), text).expect("a file");
    };
    const ALL: &str = "[allow]\nwrites = true\n";
    file("no-url", "127.0.0.1:1", ALL);
    file("forbidden", "http://127.0.0.1:1", "");
    file("unreachable", "http://127.0.0.1:1", ALL);
    for (name, manners) in servers {
        file(name, &serve(manners), ALL);
    }
}

fn say_nothing(mut stream: TcpStream) {
    let mut forever = Vec::new();
    drop(stream.read_to_end(&mut forever));
}

/// The URL of a server on a port that the system chooses. It ends with the tests.
fn serve(manners: Manners) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || manners(stream));
        }
    });
    format!("http://{address}")
}

fn reply(stream: &mut TcpStream, text: &[u8]) {
    let mut request = [0; 1024];
    drop(stream.read(&mut request));
    drop(stream.write_all(text));
}

fn ask(url: &str, patience: Duration) -> Result<Vec<u8>, TargetError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let client = dissent::adapter::http::client(patience).expect("a client");
    runtime.block_on(send(url, client.get(url)))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a hang is real time")]
fn a_server_with_bad_manners_is_an_error_that_names_it() {
    const PATIENCE: Duration = Duration::from_secs(3);
    let cases: [(&str, Manners); 6] = [
        ("hangs up at once", |stream| drop(stream)),
        ("speaks no HTTP", |mut stream| reply(&mut stream, b"220 mail.example ESMTP\r\n")),
        ("half-closed: says more than it sends", |mut stream| {
            reply(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"incarnation\":1,");
        }),
        ("says nothing", say_nothing),
        ("sends a byte now and then", |mut stream| {
            reply(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n");
            while stream.write_all(b" ").is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        }),
        ("never ends", |mut stream| {
            reply(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n");
            let block = vec![b'x'; 1 << 20];
            while stream.write_all(&block).is_ok() {}
        }),
    ];
    for (what, manners) in cases {
        let url = serve(manners);
        let begun = Instant::now();
        let error = ask(&url, PATIENCE).expect_err(what);
        assert!(error.to_string().contains(&url), "{what}: {error}");
        assert!(begun.elapsed() < PATIENCE * 10, "{what} took {:?}", begun.elapsed());
    }
}

#[test]
fn nobody_there_and_a_refusal_are_told_apart() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let url = format!("http://{closed}/coverage");
    let error = ask(&url, Duration::from_secs(3)).expect_err("nobody is there");
    assert!(matches!(&error, TargetError::Unreachable { at, .. } if *at == url), "{error}");
    let refuses = serve(|mut stream| {
        reply(&mut stream, b"HTTP/1.1 503 Busy\r\ncontent-length: 9\r\n\r\ntoo early");
    });
    let error = ask(&refuses, Duration::from_secs(3)).expect_err("it refuses");
    assert!(matches!(&error, TargetError::Refused { cause, .. } if cause.contains("too early")), "{error}");
}

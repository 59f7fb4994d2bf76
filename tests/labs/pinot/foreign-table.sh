# A table that dissent did not create. Sourced by `arms` and `stranger`, which set `name`, the name of the
# table, and `here`, this directory.
# shellcheck shell=bash disable=SC2154

said() { sed -n "s|^$1 = \"\(.*\)\"|\1|p" "$TARGET"; }
controller=$(said url) kafka=$(said kafka)

post() { curl -fsS -X POST -H 'Content-Type: application/json' -d @- "$controller/$1" >/dev/null; }

tool() {
  java -XX:TieredStopAtLevel=1 -cp "$LAB_KAFKA_CLASSPATH" \
    -Dlog4j.configuration="file:$here/log4j.properties" "$@"
}

make_table() {
  tool org.apache.kafka.tools.TopicCommand --bootstrap-server "$kafka" \
    --create --topic "$name-feed" --partitions 1 --replication-factor 1 >&2
  sed "s/NAME/$name/" "$here/stranger-schema.json" | post schemas
  sed "s/NAME/$name/; s/KAFKA/$kafka/" "$here/stranger-table.json" | post tables
}

# Events from stdin, one a line.
write_events() {
  tool kafka.tools.ConsoleProducer --bootstrap-server "$kafka" --topic "$name-feed"
}

drop_table() {
  curl -fsS -X DELETE "$controller/tables/$name?type=realtime" >/dev/null
  curl -fsS -X DELETE "$controller/schemas/$name" >/dev/null
}

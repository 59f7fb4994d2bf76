//! The fuzz targets: plain functions over bytes. Whatever the bytes are, there is no panic and no hang, and
//! what can be parsed means the same when it is written and read again. See `../README.md`.

mod answers;
mod evidence;
mod frames;
mod lines;
mod tables;

/// A target and its name, which is also the name of its corpus.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All of them.
pub(crate) const TARGETS: [Target; 5] = [
    ("answers", answers::answers),
    ("evidence", evidence::evidence),
    ("frames", frames::frames),
    ("lines", lines::lines),
    ("tables", tables::tables),
];

/// A schema with every type and every merge function.
fn schema() -> dissent_core::history::schema::Schema {
    let columns = r#"[
        {"name":"x","type":"long","merge":"overwrite"},
        {"name":"i","type":"string","merge":"ignore"},
        {"name":"n","type":"long","merge":"increment"},
        {"name":"l","type":"long-list","merge":"append"},
        {"name":"u","type":"string-list","merge":"union"},
        {"name":"hi","type":"long","merge":"max"},
        {"name":"lo","type":"long","merge":"min"},
        {"name":"ops","type":"long-list","merge":"append","role":"ops"}
    ]"#;
    dissent_core::history::schema::Schema {
        table: "acct".to_owned(),
        key: "pk".to_owned(),
        comparison: "version".to_owned(),
        op: "op".to_owned(),
        columns: serde_json::from_str(columns).expect("columns"),
        provenance: dissent_core::history::schema::Provenance::Full,
        guard_keys: 0,
        rules: dissent_core::history::schema::rules::Rules::default(),
    }
}

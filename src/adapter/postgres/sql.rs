//! The statements for a table of a run, from its schema.

use dissent_core::history::schema::{Column, Merge, Schema, Type};

/// When the process of a server began, in milliseconds.
pub(super) const STARTED: &str = "(extract(epoch from pg_postmaster_start_time()) * 1000)::bigint";

/// A name in a statement.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string in a statement, as it is read under `standard_conforming_strings`, which is on by default.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A table in a statement. Logical replication finds it at the subscriber by schema and name, so the schema
/// is written out.
pub(super) fn table(name: &str) -> String {
    format!("public.{}", quoted(name))
}

/// Whether a name can be that of a table, and the beginning of the names of replication slots, which consist
/// of lower case letters, digits and underscores (PostgreSQL manual, "Replication Slots").
pub(super) fn is_plain(name: &str) -> bool {
    let is_plain = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'_';
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(is_plain)
}

/// A table and a replica share the 63 bytes of a name.
const NAME_MAX: usize = 31;

fn sql_type(ty: Type) -> &'static str {
    match ty {
        Type::Long => "bigint",
        Type::Double => "double precision",
        Type::Decimal => "numeric",
        Type::Boolean => "boolean",
        Type::String => "text",
        Type::Timestamp => "timestamptz",
        Type::Bytes => "bytea",
        Type::Json => "jsonb",
        Type::LongList => "bigint[]",
        Type::StringList => "text[]",
    }
}

/// The names of all columns, in the order of statements and answers: key, comparison, op, the others.
fn names(schema: &Schema) -> Vec<String> {
    let fixed = [&schema.key, &schema.comparison, &schema.op];
    let others = schema.columns.iter().map(|column| &column.name);
    fixed.into_iter().chain(others).map(|name| quoted(name)).collect()
}

/// Creates the table.
pub(super) fn create(schema: &Schema) -> String {
    let fixed = ["text primary key", "bigint not null", "bigint not null"];
    let types = fixed.into_iter().chain(schema.columns.iter().map(|column| sql_type(column.ty)));
    let columns: Vec<String> =
        names(schema).iter().zip(types).map(|(name, ty)| format!("{name} {ty}")).collect();
    format!("create table {} ({})", table(&schema.table), columns.join(", "))
}

/// Reads all rows.
pub(super) fn select(schema: &Schema) -> String {
    let mut selected = names(schema);
    for (name, column) in selected.iter_mut().skip(3).zip(&schema.columns) {
        if is_sent_as_text(column.ty) {
            name.push_str("::text");
        }
    }
    format!("select {} from {}", selected.join(", "), table(&schema.table))
}

/// Merges an event into the row of its key, in one statement. An event with a smaller comparison value than
/// the row's changes nothing (`RULES.md` 3).
pub(super) fn upsert(schema: &Schema) -> String {
    let names = names(schema);
    let fixed = (1..=3).map(|number| format!("${number}"));
    let others = (4..).zip(&schema.columns).map(|(number, column)| first(column, &event(column.ty, number)));
    let values: Vec<String> = fixed.chain(others).collect();
    let taken = names[1..3].iter().map(|name| format!("{name} = excluded.{name}"));
    let merged = schema.columns.iter().map(|column| format!("{} = {}", quoted(&column.name), merged(column)));
    let changes: Vec<String> = taken.chain(merged).collect();
    let (key, comparison) = (&names[0], &names[1]);
    format!(
        "insert into {} as old ({}) values ({}) on conflict ({key}) do update set {} \
         where old.{comparison} <= excluded.{comparison}",
        table(&schema.table),
        names.join(", "),
        values.join(", "),
        changes.join(", "),
    )
}

/// Deletes the row of a key, unless its comparison value is larger.
pub(super) fn delete(schema: &Schema) -> String {
    let (key, comparison) = (quoted(&schema.key), quoted(&schema.comparison));
    format!("delete from {} where {key} = $1 and {comparison} <= $2", table(&schema.table))
}

/// Whether values of this type go in and come out as text, since this program keeps them as text.
pub(super) fn is_sent_as_text(ty: Type) -> bool {
    matches!(ty, Type::Decimal | Type::Timestamp | Type::Bytes | Type::Json)
}

/// The event's value of a column, which is the parameter with this number.
fn event(ty: Type, number: usize) -> String {
    match ty {
        Type::Bytes => format!("decode(${number}, 'hex')"),
        ty if is_sent_as_text(ty) => format!("${number}::{}", sql_type(ty)),
        _ => format!("${number}"),
    }
}

/// The value of a column that had none.
fn first(column: &Column, event: &str) -> String {
    match column.merge {
        Merge::Union => set_of(column, event),
        _ => event.to_owned(),
    }
}

/// The value of a column after an event. A null, of the row or of the event, gives the other one: so do
/// `greatest`, `least` and the concatenation of arrays by themselves.
fn merged(column: &Column) -> String {
    let name = quoted(&column.name);
    let (old, new) = (format!("old.{name}"), format!("excluded.{name}"));
    match column.merge {
        Merge::Overwrite => format!("coalesce({new}, {old})"),
        Merge::Ignore => format!("coalesce({old}, {new})"),
        Merge::Increment => format!("coalesce({}, {new}, {old})", wrapping_sum(&old, &new)),
        Merge::Append => format!("{old} || {new}"),
        Merge::Union => set_of(column, &format!("{old} || {new}")),
        Merge::Max => format!("greatest({old}, {new})"),
        Merge::Min => format!("least({old}, {new})"),
    }
}

/// A sum that wraps at 64 bits; that of bigints is an error when it overflows. 2^64 + 2^63 makes it positive
/// before the division, 2^63 is taken away after it.
fn wrapping_sum(old: &str, new: &str) -> String {
    format!(
        "(mod({old}::numeric + {new} + 27670116110564327424, 18446744073709551616) \
         - 9223372036854775808)::bigint"
    )
}

/// The elements of a list, sorted by their bytes and each only once.
fn set_of(column: &Column, list: &str) -> String {
    let element = if column.ty == Type::StringList { "e collate \"C\"" } else { "e" };
    format!("(select array_agg(distinct {element} order by {element}) from unnest({list}) as e)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(columns: &[(&str, Type, Merge)]) -> Schema {
        let columns = columns.iter().map(|(name, ty, merge)| Column::data(*name, *ty, *merge)).collect();
        Schema {
            key: "pk".to_owned(),
            comparison: "version".to_owned(),
            op: "op".to_owned(),
            ..Schema::plain("dissent_1", columns)
        }
    }

    #[test]
    fn the_statements_for_a_schema() {
        let schema = schema(&[
            ("a", Type::String, Merge::Overwrite),
            ("b", Type::LongList, Merge::Append),
            ("c", Type::StringList, Merge::Union),
        ]);
        assert_eq!(
            create(&schema),
            "create table public.\"dissent_1\" (\"pk\" text primary key, \"version\" bigint not null, \
             \"op\" bigint not null, \"a\" text, \"b\" bigint[], \"c\" text[])"
        );
        assert_eq!(
            upsert(&schema),
            "insert into public.\"dissent_1\" as old (\"pk\", \"version\", \"op\", \"a\", \"b\", \"c\") \
             values ($1, $2, $3, $4, $5, (select array_agg(distinct e collate \"C\" order by e collate \
             \"C\") from unnest($6) as e)) on conflict (\"pk\") do update set \
             \"version\" = excluded.\"version\", \"op\" = excluded.\"op\", \
             \"a\" = coalesce(excluded.\"a\", old.\"a\"), \"b\" = old.\"b\" || excluded.\"b\", \
             \"c\" = (select array_agg(distinct e collate \"C\" order by e collate \"C\") \
             from unnest(old.\"c\" || excluded.\"c\") as e) \
             where old.\"version\" <= excluded.\"version\""
        );
        assert_eq!(
            select(&schema),
            "select \"pk\", \"version\", \"op\", \"a\", \"b\", \"c\" from public.\"dissent_1\""
        );
        assert_eq!(
            delete(&schema),
            "delete from public.\"dissent_1\" where \"pk\" = $1 and \"version\" <= $2"
        );
    }

    #[test]
    fn every_merge_function_has_its_expression() {
        let of = |ty, merge| merged(&schema(&[("a", ty, merge)]).columns[0]);
        assert_eq!(of(Type::Long, Merge::Ignore), "coalesce(old.\"a\", excluded.\"a\")");
        assert_eq!(of(Type::Long, Merge::Max), "greatest(old.\"a\", excluded.\"a\")");
        assert_eq!(of(Type::Long, Merge::Min), "least(old.\"a\", excluded.\"a\")");
        let sum = of(Type::Long, Merge::Increment);
        assert!(sum.starts_with("coalesce((mod(old.\"a\"::numeric + excluded.\"a\" + 2767"), "{sum}");
        assert!(sum.ends_with("9223372036854775808)::bigint, excluded.\"a\", old.\"a\")"), "{sum}");
        assert!(!of(Type::LongList, Merge::Union).contains("collate"));
    }

    #[test]
    fn names_cannot_leave_their_quotes() {
        assert_eq!(quoted("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("it's"), "'it''s'");
        for (name, fits) in [("dissent_1a", true), ("", false), ("A", false), ("a-b", false), ("a\"", false)]
        {
            assert_eq!(is_plain(name), fits, "{name}");
        }
        assert!(is_plain(&"a".repeat(31)) && !is_plain(&"a".repeat(32)));
    }
}

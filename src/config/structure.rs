//! What in the text of a file does not fit its schema: unknown and missing fields, wrong words, values of
//! another type. A parser stops at the first of them; this finds all.

use super::file_schema::Place;
use dissent_core::nearest::{advise, nearest};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A part of a text that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    /// Where it is.
    pub(super) span: Range<usize>,
    /// What is wrong.
    pub(super) problem: String,
    /// What would be right.
    pub(super) help: String,
}

/// All that does not fit a schema, in no order. What a choice of tables may hold is not looked into.
pub(super) fn misfits(schema: &str, root: &DeTable<'_>) -> Vec<Misfit> {
    let schema = serde_json::from_str(schema).unwrap_or_default();
    let mut found = Vec::new();
    of_table(Place::root(&schema), root, 0..0, &mut found);
    found
}

fn of_table(place: Place<'_>, table: &DeTable<'_>, span: Range<usize>, found: &mut Vec<Misfit>) {
    let names: Vec<&str> = place.fields().map(|(name, _)| name).collect();
    // A field that is misspelt is not missing as well.
    let mut meant = Vec::new();
    for (key, value) in table {
        let written: &str = key.get_ref();
        match place.fields().find(|(name, _)| *name == written) {
            Some((_, field)) => of_value(field.resolved(), value, found),
            None if place.is_closed() => {
                meant.extend(nearest(written, &names));
                found.push(Misfit {
                    span: key.span(),
                    problem: format!("unknown field `{written}`"),
                    help: advise(written, &names),
                });
            }
            None => {}
        }
    }
    for name in place.required().filter(|name| !table.contains_key(*name) && !meant.contains(name)) {
        let (problem, help) = (format!("missing field `{name}`"), format!("add a line `{name} = ..`"));
        found.push(Misfit { span: span.clone(), problem, help });
    }
}

fn of_value(place: Place<'_>, value: &Spanned<DeValue<'_>>, found: &mut Vec<Misfit>) {
    match (place.words(), place.ty(), value.get_ref()) {
        (Some(words), _, DeValue::String(word)) if !words.contains(&word.as_ref()) => found.push(Misfit {
            span: value.span(),
            problem: format!("unknown variant `{word}`"),
            help: advise(word, &words),
        }),
        (Some(_), _, DeValue::String(_)) => {}
        (None, Some("object"), DeValue::Table(table)) => of_table(place, table, value.span(), found),
        (None, Some("array"), DeValue::Array(items)) => {
            let item = place.items().map(Place::resolved);
            items.iter().for_each(|one| item.into_iter().for_each(|item| of_value(item, one, found)));
        }
        (words, ty, written) => {
            let wanted = words.map_or(ty, |_| Some("string"));
            if let Some((ty, kind)) = wanted.zip(kind(written)).filter(|(ty, kind)| *ty != kind.0) {
                found.push(Misfit {
                    span: value.span(),
                    problem: format!("invalid type: {}", kind.1),
                    help: format!("write {}", example(ty)),
                });
            }
        }
    }
}

/// The type of a value in a schema, and in words.
fn kind(value: &DeValue<'_>) -> Option<(&'static str, &'static str)> {
    Some(match value {
        DeValue::String(_) => ("string", "a text"),
        DeValue::Integer(_) => ("integer", "a whole number"),
        DeValue::Boolean(_) => ("boolean", "true or false"),
        DeValue::Array(_) => ("array", "a list"),
        DeValue::Table(_) => ("object", "a table"),
        DeValue::Float(_) => ("number", "a number with a fraction"),
        DeValue::Datetime(_) => return None,
    })
}

/// What a value of a type of a schema looks like.
fn example(ty: &str) -> &'static str {
    match ty {
        "string" => "a text, in quotes",
        "integer" => "a whole number, without quotes",
        "boolean" => "true or false, without quotes",
        "array" => "a list: [a, b]",
        "object" => "a table: { name = value }",
        _ => "a number",
    }
}

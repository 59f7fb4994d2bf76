//! The JSON Schemas of the files that users write: for editors, for `dissent list fields`, and to find all
//! that is wrong with a file at once. They are derived from the types that read the files.

use serde_json::Value as Json;

/// The schema of known issues.
pub const KNOWN: &str = include_str!("schemas/known.json");
/// The schema of a nemesis plan.
pub const NEMESIS: &str = include_str!("schemas/nemesis.json");
/// The schema of a sweep plan.
pub const SWEEP: &str = include_str!("schemas/sweep.json");
/// The schema of a target file.
pub const TARGET: &str = include_str!("schemas/target.json");
/// The schema of a workload.
pub const WORKLOAD: &str = include_str!("schemas/workload.json");

/// The schemas, each with the name of its kind of file.
pub const ALL: [(&str, &str); 5] =
    [("workload", WORKLOAD), ("nemesis", NEMESIS), ("sweep", SWEEP), ("target", TARGET), ("known", KNOWN)];

/// A place in a schema.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    root: &'a Json,
    here: &'a Json,
}

impl<'a> Place<'a> {
    /// The whole schema.
    pub(super) fn root(root: &'a Json) -> Place<'a> {
        Place { root, here: root }
    }

    fn at(self, here: &'a Json) -> Place<'a> {
        Place { here, ..self }
    }

    /// The same, without references.
    pub(super) fn resolved(self) -> Place<'a> {
        let target = match (&self.here["$ref"], &self.here["allOf"]) {
            (Json::String(path), _) => self.root.pointer(path.trim_start_matches('#')),
            (_, Json::Array(all)) if all.len() == 1 => all.first(),
            _ => None,
        };
        target.map_or(self, |target| self.at(target).resolved())
    }

    /// The fields of a table, in alphabetical order.
    pub(super) fn fields(self) -> impl Iterator<Item = (&'a str, Place<'a>)> {
        let fields = self.here["properties"].as_object().into_iter().flatten();
        fields.map(move |(name, field)| (name.as_str(), self.at(field)))
    }

    /// The fields that must be there.
    pub(super) fn required(self) -> impl Iterator<Item = &'a str> {
        self.here["required"].as_array().into_iter().flatten().filter_map(Json::as_str)
    }

    /// Whether it is a table that has no other fields.
    pub(super) fn is_closed(self) -> bool {
        self.here["additionalProperties"] == false
    }

    /// What a list holds.
    pub(super) fn items(self) -> Option<Place<'a>> {
        self.here.get("items").map(|items| self.at(items))
    }

    /// What it may be, if it is a choice.
    pub(super) fn choices(self) -> impl Iterator<Item = Place<'a>> {
        let choices = ["oneOf", "anyOf"].into_iter().filter_map(|key| self.here[key].as_array());
        choices.flatten().map(move |choice| self.at(choice))
    }

    /// The words that it may be, if it can be nothing but a word.
    pub(super) fn words(self) -> Option<Vec<&'a str>> {
        let words: Option<Vec<&str>> = match self.here["enum"].as_array() {
            Some(words) => words.iter().map(Json::as_str).collect(),
            None => self.choices().map(|choice| choice.here["const"].as_str()).collect(),
        };
        words.filter(|words| !words.is_empty())
    }

    /// The one type that it has.
    pub(super) fn ty(self) -> Option<&'a str> {
        self.here["type"].as_str()
    }

    fn about(self) -> &'a str {
        self.here["description"].as_str().unwrap_or_default()
    }

    /// How it is written.
    fn form(self) -> String {
        let place = self.resolved();
        let here = place.here;
        if let Some(word) = here["const"].as_str() {
            return format!("\"{word}\"");
        }
        if let Some(words) = here["enum"].as_array() {
            return words.iter().map(Json::to_string).collect::<Vec<_>>().join(", ");
        }
        let choices: Vec<String> = place.choices().map(Place::form).collect();
        if !choices.is_empty() {
            return choices.join(", ");
        }
        match place.ty() {
            Some("string") if here.get("pattern").is_some() => "time".to_owned(),
            Some("string") => "text".to_owned(),
            Some("integer") => "whole number".to_owned(),
            Some("boolean") => "true or false".to_owned(),
            Some("array") => match place.items().map(Place::resolved) {
                Some(item) if item.ty() == Some("object") => "list of tables".to_owned(),
                item => format!("list of {}", item.map(Place::form).unwrap_or_default()),
            },
            Some("object") if place.fields().next().is_some() => {
                let must: Vec<&str> = place.required().collect();
                let field = |(name, field): (&str, Place<'_>)| {
                    let optional = if must.contains(&name) { "" } else { "?" };
                    format!("{name}{optional} = {}", field.form())
                };
                format!("{{ {} }}", place.fields().map(field).collect::<Vec<_>>().join(", "))
            }
            Some("object") => "table".to_owned(),
            other => other.unwrap_or("any value").to_owned(),
        }
    }
}

/// A field of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The names of the tables that it is in, and its own, separated by dots.
    pub path: String,
    /// How its value is written.
    pub form: String,
    /// What it is if it is not there, as TOML. None if it has no value then.
    pub default: Option<String>,
    /// Whether it must be there.
    pub is_required: bool,
    /// What it is for.
    pub about: String,
    /// What it may be, each with what that means.
    pub choices: Vec<(String, String)>,
}

/// Every field of a schema. A table comes before its own fields.
pub fn fields(schema: &str) -> Vec<Field> {
    let root = serde_json::from_str(schema).unwrap_or_default();
    let mut found = Vec::new();
    gather(Place::root(&root), "", &mut found);
    found
}

fn gather(table: Place<'_>, above: &str, found: &mut Vec<Field>) {
    let required: Vec<&str> = table.required().collect();
    for (name, field) in table.fields() {
        let path = format!("{above}{name}");
        let value = field.resolved();
        let inner = value.items().map_or(value, Place::resolved);
        let is_table = inner.choices().next().is_none() && inner.fields().next().is_some();
        let choices = value.choices().map(|choice| (choice.form(), choice.about().to_owned()));
        let choices = choices.filter(|(_, about)| !about.is_empty()).collect();
        let form = if is_table && value.items().is_none() { "table".to_owned() } else { field.form() };
        let about = if field.about().is_empty() { value.about() } else { field.about() };
        found.push(Field {
            form,
            default: field.here.get("default").filter(|_| !is_table).map(toml_of),
            is_required: required.contains(&name),
            about: about.to_owned(),
            choices,
            path: path.clone(),
        });
        if is_table {
            gather(inner, &format!("{path}."), found);
        }
    }
}

/// A value as TOML, in one line.
fn toml_of(value: &Json) -> String {
    match value {
        Json::Object(fields) if !fields.is_empty() => {
            let fields: Vec<_> = fields.iter().map(|(key, it)| format!("{key} = {}", toml_of(it))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigFile;
    use crate::config::catalogue::{NEMESES, WORKLOADS};
    use crate::config::sweep_plan::SweepPlan;
    use crate::config::target::TargetFile;
    use dissent_core::checker::verdict::document_schema::adapt_comment;
    use dissent_core::checker::verdict::known_issue::KnownIssues;
    use dissent_core::history::nemesis::Nemesis;
    use dissent_core::history::workload::Workload;
    use schemars::generate::SchemaSettings;
    use schemars::transform::{RecursiveTransform, Transform as _};
    use schemars::{JsonSchema, Schema};
    use std::path::Path;

    /// Set to write the schemas anew.
    const WRITE: &str = "DISSENT_WRITE_SCHEMA";

    /// Editors know draft 7 best.
    fn generated<T: ConfigFile + JsonSchema>(name: &str) -> String {
        let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<T>();
        schema.insert("title".to_owned(), format!("{name}.toml").into());
        schema.insert("$id".to_owned(), format!("urn:dissent:file:{name}").into());
        RecursiveTransform(adapt_comment).transform(&mut schema);
        RecursiveTransform(leave_out_null).transform(&mut schema);
        serde_json::to_string_pretty(&schema).expect("it is JSON") + "\n"
    }

    /// TOML has no null: a field without a value is not there.
    fn leave_out_null(schema: &mut Schema) {
        if let Some(Json::String(text)) = schema.get_mut("description") {
            *text = text.replace("null: ", "without it: ");
        }
        if schema.get("default").is_some_and(Json::is_null) {
            schema.remove("default");
        }
        if let Some(Json::Array(types)) = schema.get_mut("type") {
            types.retain(|ty| ty != "null");
            let one = types.first().cloned().filter(|_| types.len() == 1);
            one.map(|one| schema.insert("type".to_owned(), one));
        }
        if let Some(Json::Array(choices)) = schema.get_mut("anyOf") {
            choices.retain(|choice| choice["type"] != "null");
            if choices.len() == 1 {
                let only = schema.remove("anyOf").unwrap_or_default();
                schema.insert("allOf".to_owned(), only);
            }
        }
    }

    #[test]
    fn the_schemas_of_files_are_what_their_types_give() {
        let generated = [
            ("workload", generated::<Workload>("workload")),
            ("nemesis", generated::<Nemesis>("nemesis")),
            ("sweep", generated::<SweepPlan>("sweep")),
            ("target", generated::<TargetFile>("target")),
            ("known", generated::<KnownIssues>("known")),
        ];
        for ((name, generated), (other, stored)) in generated.iter().zip(ALL) {
            assert_eq!(*name, other);
            if std::env::var_os(WRITE).is_some() {
                let file = format!("src/config/schemas/{name}.json");
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
                std::fs::write(path, generated).expect("write the schema");
            }
            assert!(
                stored == generated || std::env::var_os(WRITE).is_some(),
                "src/config/schemas/{name}.json is not what its types give; write it anew with\n    \
                 {WRITE}=1 cargo test --lib the_schemas_of_files"
            );
        }
    }

    #[test]
    fn every_field_says_what_it_is() {
        for (name, schema) in ALL {
            let fields = fields(schema);
            assert!(fields.len() > 5, "{name}");
            for field in fields {
                assert!(!field.about.is_empty() && !field.form.is_empty(), "{name}: {field:?}");
                assert!(field.default.is_none() || !field.is_required, "{name}: {field:?}");
            }
        }
    }

    /// Whatever parses fits the schema, and the other way round: an editor must not mark a file that works.
    #[test]
    fn the_files_of_the_catalogue_fit_their_schemas() {
        for (schema, files) in [(WORKLOAD, WORKLOADS), (NEMESIS, NEMESES)] {
            let schema: Json = serde_json::from_str(schema).expect("JSON");
            let validator = jsonschema::validator_for(&schema).expect("a schema");
            for file in files {
                let document: Json = toml::from_str(file.text).expect("TOML");
                if let Err(error) = validator.validate(&document) {
                    panic!("{}: {error} at {}", file.name, error.instance_path());
                }
                let mut more = document.clone();
                more["of-a-later-version"] = 1.into();
                assert!(!validator.is_valid(&more), "{}", file.name);
            }
        }
    }

    /// A field that is given its default is as if it were not there.
    #[test]
    fn the_defaults_are_those_of_the_types() {
        fn check<T: ConfigFile + PartialEq + std::fmt::Debug>(least: &str) {
            let read = |text: &str| toml::from_str::<T>(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
            let mut tried = 0;
            for field in fields(T::SCHEMA) {
                if let (Some(default), false) = (&field.default, field.path.contains('.')) {
                    assert_eq!(
                        read(&format!("{} = {default}\n{least}", field.path)),
                        read(least),
                        "{field:?}"
                    );
                    tried += 1;
                }
            }
            assert!(tried >= 3, "{least}");
        }
        check::<Workload>("[[column]]\nname = \"a\"\ntype = \"long\"\n");
        check::<Nemesis>("[[step]]\nid = \"a\"\nfault = \"pause\"\nuntil = { after = \"1s\" }\n");
        check::<SweepPlan>("runs = 1\n[[arm]]\ntarget = \"a\"\nworkload = \"b\"\nnemesis = \"c\"\n");
    }

    #[test]
    fn forms_are_as_they_are_written() {
        let of = |schema: &str, path: &str| {
            fields(schema).into_iter().find(|field| field.path == path).unwrap_or_else(|| panic!("{path}"))
        };
        let load = of(WORKLOAD, "load");
        assert_eq!((load.form.as_str(), load.default.as_deref()), ("time", Some("\"3s\"")));
        let merge = of(WORKLOAD, "column.merge");
        assert!(merge.form.starts_with("\"overwrite\", \"ignore\", "), "{merge:?}");
        assert_eq!(merge.default.as_deref(), Some("\"overwrite\""));
        assert!(merge.choices.iter().any(|(word, about)| word == "\"union\"" && about.contains("a set")));
        let until = of(NEMESIS, "step.until");
        for form in ["{ after = time }", "\"others-committed\"", "of? = text", "or-after = time"] {
            assert!(until.form.contains(form), "{form}: {}", until.form);
        }
        assert!(until.is_required && of(WORKLOAD, "column.name").is_required);
        assert_eq!(of(WORKLOAD, "keys").form, "table");
        assert_eq!(of(TARGET, "allow.pause").default.as_deref(), Some("false"));
    }
}

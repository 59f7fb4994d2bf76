//! The text of one file, from the catalogue or from a path, and where in the text a wrong value is.

use super::document::ConfigFile;
use super::error::{ConfigError, InvalidValue, reword};
use super::structure::misfits;
use dissent_core::nearest::advise;
use miette::NamedSource;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use toml::de::{DeTable, DeValue};

/// Maximum size of a file.
const FILE_BYTES_MAX: u64 = 1 << 24;

/// Whether an argument names a file rather than something of the catalogue.
pub(super) fn is_path(argument: &str) -> bool {
    argument.contains(['/', std::path::MAIN_SEPARATOR]) || argument.ends_with(".toml")
}

/// An error: its place in the text, what is wrong there, and what would be right.
type Placed = (Range<usize>, String, Option<String>);

/// The text of a file and its names.
pub(super) struct Source {
    /// The stem of the file name, which is the name of the contents.
    stem: String,
    /// The file name in messages.
    file: String,
    /// Its text.
    text: String,
}

impl Source {
    /// Finds a file: an argument with a path separator or the ending `.toml` is a path, any other is a name
    /// in the catalogue.
    pub(super) fn find<T: ConfigFile>(argument: &str) -> Result<Source, ConfigError> {
        if is_path(argument) {
            return Source::read(T::KIND, argument);
        }
        let Some(embedded) = T::CATALOGUE.iter().find(|embedded| embedded.name == argument) else {
            let names: Vec<&str> = T::CATALOGUE.iter().map(|embedded| embedded.name).collect();
            let help = format!("{}; for your own, give the path of a .toml file", advise(argument, &names));
            return Err(ConfigError::UnknownName { kind: T::KIND, name: argument.to_owned(), help });
        };
        Ok(Source {
            stem: embedded.name.to_owned(),
            file: format!("{}/{}.toml", T::FOLDER, embedded.name),
            text: embedded.text.to_owned(),
        })
    }

    pub(super) fn read(kind: &'static str, path: &str) -> Result<Source, ConfigError> {
        let unreadable = |error| ConfigError::Unreadable { kind, path: path.to_owned(), error };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > FILE_BYTES_MAX {
            let large = format!("longer than {FILE_BYTES_MAX} bytes: is it the right file?");
            return Err(unreadable(std::io::Error::other(large)));
        }
        Ok(Source::of(path, text))
    }

    /// The text of a file of this name.
    pub(super) fn of(file: &str, text: String) -> Source {
        let stem = Path::new(file).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Source { stem, file: file.to_owned(), text }
    }

    /// Parses and checks the file, also by a check that is not the file's own.
    pub(super) fn parse<T: ConfigFile>(
        self,
        further: impl Fn(&T) -> Result<(), InvalidValue>,
    ) -> Result<T, ConfigError> {
        let mut document: T =
            toml::from_str(&self.text).map_err(|error| self.unreadable(T::SCHEMA, &error))?;
        let name = document.name();
        if !name.is_empty() {
            let help = "its name is the file name; remove the line".to_owned();
            return Err(self.error(
                self.span("name"),
                format!("a {} has no field `name`", T::KIND),
                Some(help),
            ));
        }
        name.clone_from(&self.stem);
        document.set_folder(Path::new(&self.file).parent().unwrap_or(Path::new("")));
        let mut invalid = document.check();
        // The rules of a system may be broken by what is refused already.
        invalid.extend(further(&document).err().filter(|wrong| !invalid.contains(wrong)));
        let placed = invalid
            .into_iter()
            .map(|InvalidValue { at, problem, help }| (self.span(&at), problem, Some(help)));
        match placed.collect::<Vec<Placed>>() {
            none if none.is_empty() => Ok(document),
            some => Err(self.errors(some)),
        }
    }

    /// Why the text cannot be read: what is no TOML, or else all that does not fit the schema. The parser may
    /// know more of its first error than the schema.
    fn unreadable(&self, schema: &str, first: &toml::de::Error) -> ConfigError {
        let placed = |error: &toml::de::Error| {
            let (problem, help) = reword(error.message());
            (error.span().unwrap_or(0..0), problem, help)
        };
        let (root, broken) = DeTable::parse_recoverable(&self.text);
        if !broken.is_empty() {
            return self.errors(broken.iter().map(placed).collect());
        }
        let first = placed(first);
        let misfits = misfits(schema, root.get_ref()).into_iter();
        let mut found: Vec<Placed> =
            misfits.map(|misfit| (misfit.span, misfit.problem, Some(misfit.help))).collect();
        if !found.iter().any(|(span, ..)| *span == first.0) {
            found.push(first);
        }
        self.errors(found)
    }

    /// The errors, in the order of the text.
    fn errors(&self, mut found: Vec<Placed>) -> ConfigError {
        found.sort_by_key(|(span, ..)| span.start);
        let error = |(span, problem, help)| self.error(span, problem, help);
        let mut errors: Vec<ConfigError> = found.into_iter().map(error).collect();
        if errors.len() == 1 { errors.remove(0) } else { ConfigError::Several(errors) }
    }

    /// The span of the value at this dotted path, or of the innermost value around it.
    fn span(&self, at: &str) -> Range<usize> {
        let Ok(root) = DeTable::parse(&self.text) else {
            return 0..0;
        };
        let mut span = 0..0;
        let mut here = &DeValue::Table(root.into_inner());
        for part in at.split('.') {
            let next = match here {
                DeValue::Table(table) => table.get(part),
                DeValue::Array(items) => part.parse().ok().and_then(|item: usize| items.get(item)),
                _ => None,
            };
            let Some(value) = next else { break };
            span = value.span();
            here = value.get_ref();
        }
        span
    }

    fn error(&self, span: Range<usize>, problem: String, help: Option<String>) -> ConfigError {
        let before = self.text.get(..span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|letter| *letter != '\n').count() + 1;
        ConfigError::File {
            place: format!("{}:{line}:{column}", self.file),
            problem,
            text: Arc::new(NamedSource::new(&self.file, self.text.clone()).with_language("toml")),
            span: span.into(),
            help,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::catalogue::{EmbeddedFile, NEMESES, WORKLOADS};
    use crate::config::target::TargetFile;
    use dissent_core::history::nemesis::Nemesis;
    use dissent_core::history::workload::Workload;
    use std::fmt::Debug;

    /// A built-in file; a text in it; its replacement; then the part marked as wrong, the problem, and the
    /// help. `/` ends a line.
    const REFUSED: &str = r#"
    partial-upsert | rate = 400 | rat = 400 | rat | unknown field `rat` | did you mean `rate`?
    partial-upsert | rate = 400 | rate = 0 | 0 | 0 ops per second | write 1 to 1000000
    partial-upsert | type = "string" | | [[column]] | missing field `type` | add a line `type = ..`
    partial-upsert | partitions = 2 | partitions = 0 | 0 | 0 partitions | write 1 to 1024
    partial-upsert | live = 40 | live = 0 | 0 | 0 live keys per partition | write 1 to
    partial-upsert | load = "3s" | load = "0s" | "0s" | the load must not be zero | such as `3s`
    partial-upsert | load = "3s" | load = "3.5s" | "3.5s" | not a whole number of its unit |
    partial-upsert | hunts = | name = "x" / hunts = | "x" | has no field `name` | remove the line
    partial-upsert | "overwrite" | "replace" | "replace" | unknown variant `replace` | overwrite, ignore,
    partial-upsert | "overwrite" | "increment" | "increment" | does not merge a string | it merges: long
    partial-upsert | percent = 60 | percent = 101 | 101 | 101 percent | write 1 to 100
    partial-upsert | percent = 60 | percent = 0 | 0 | 0 percent | never written
    partial-upsert | "credit" | "status" | "status" | the name `status` is already used | reserved
    partial-upsert | "version" | "op" | "op" | the name `op` is already used | reserved
    partial-upsert | "status" | "Order By" | "Order By" | `Order By` is not a column name | lower-case
    steady | hunts | write = [{ at = "1s", key = "a", partition = 2 }] / hunts | 2 | partition 2 of 2 | raise
    steady | hunts | write = [{ at = "1s", key = "cal-1" }] / hunts | "cal-1" | no key of a load | begin with
    steady | hunts | write = [{ at = "1s", key = "a", set.a = 1 }] / hunts | 1 | no column is called | status
    steady | hunts | write = [{ at = "1s", key = "a", set.credit = "x" }] / hunts | "x" | no long | of the
    steady | hunts | write = [{ at = "1s", key = "a", delete = true, set.tags = [] }] / hunts | true | sets |
    every-type | hunts | write = [{ at = "1s", key = "a", set.ratio = 1 }] / hunts | 1 | not how | write 1.0
    restart-one | "one" | "one" / partition = 1 | 1 | hits every partition | remove the partition
    late-transition | "late-start" } | "late-stat" } | "late-stat" | is called `late-stat` | `late-start`?
    late-transition | "one" | { same-as = "x" } | "x" | no earlier step is called `x` | must select
    late-transition | "late-registration" | "late-start" | "late-start" | two steps | unique
    late-transition | "late-start" | "Late start" | "Late start" | is not a step name | lower-case
    late-transition | { boundaries = 2 } | { boundarys = 2 } | boundarys | unknown | mean `boundaries`?
    late-transition | { boundaries = 2 } | "boundaries" | "boundaries" | needs a value | { choice = value }
    late-transition | { boundaries = 2 } | { after = "1s" } | { after = "1s" } | cannot begin | `boundaries`
    late-transition | after = "5s" | after = "5" | "5" | `5` has no known unit |
    late-gap | of = "second-late-start" | of = "late-stat" | "late-stat" | no step that holds | mean
    late-transition | "one" | "minority" | "minority" | this fault is of one replica | select `one`
    late-transition | { same-as = "late-start" } | { not = "late" } | "late" | no earlier step | start
    restart-one | "one" | { holder-of = "x" } | "x" | unknown variant | allowed: consuming
    restart-one | "one" | { not = "x" } | "x" | no earlier step is called `x` | must select
    restart-one | "one" | "one" / repeat = { times = 1 } | 1 | 1 times | write 2 to 1000
    pause-one | { after = "1500ms" } | { at = "1s" } / repeat.times = 2 | { at = "1s" } | stays | `after`
    restart-one | { boundaries = 2 } | { after-step = { step = "x" } } | "x" | no earlier step | allowed
    restart-one | { after = "700ms" } | "others-committed" | "others-committed" | not concern | in force
    restart-one | tail | min-exposure = 1 / tail | 1 | no step holds a segment | remove it
    none | hunts | ending = "victim-wins" / hunts | "victim-wins" | no step holds a segment | remove
    target | url = "http://127.0.0.1:1" | url = "127.0.0.1:1" | "127.0.0.1:1" | is not a URL | such as http
    target | pause = true | pasue = true | pasue | unknown field `pasue` | did you mean `pause`?
    target | pause = true | pause = "yes" | "yes" | invalid type |
    none | hunts | boundaries-after-first-step = 2 / hunts | 2 | there is no first step | add a step
    "#;

    const TARGET: EmbeddedFile = EmbeddedFile {
        name: "target",
        text: "system = \"specimen-segments\"\nurl = \"http://127.0.0.1:1\"\n[allow]\npause = true\n",
    };

    #[track_caller]
    fn refusal<T: ConfigFile + Debug>(file: &EmbeddedFile, old: &str, new: &str) -> (String, String, String) {
        assert!(file.text.contains(old), "{} has no {old}", file.name);
        let text = file.text.replacen(old, &new.replace(" / ", "\n"), 1);
        let source = Source { stem: "mine".to_owned(), file: "mine.toml".to_owned(), text };
        let error = match source.parse(|_: &T| Ok(())).expect_err(new) {
            ConfigError::Several(mut errors) => errors.remove(0),
            error => error,
        };
        let ConfigError::File { problem, text, span, help, .. } = error else { panic!("{error:?}") };
        let marked = &text.inner()[span.offset()..span.offset() + span.len()];
        (marked.to_owned(), problem, help.unwrap_or_default())
    }

    #[test]
    fn a_file_that_makes_no_sense_is_refused_at_the_place() {
        for case in REFUSED.lines().filter(|line| line.contains('|')) {
            let cells: Vec<&str> = case.split('|').map(str::trim).collect();
            let [name, old, new, marked, problem, help] = cells[..] else { panic!("six cells: {case}") };
            let of = |files: &'static [EmbeddedFile]| files.iter().find(|file| file.name == name);
            let refused = match (of(WORKLOADS), of(NEMESES)) {
                _ if name == TARGET.name => refusal::<TargetFile>(&TARGET, old, new),
                (Some(file), _) => refusal::<Workload>(file, old, new),
                (_, Some(file)) => refusal::<Nemesis>(file, old, new),
                _ => panic!("no file is called {name}"),
            };
            assert_eq!(refused.0, marked, "{case}: {refused:?}");
            assert!(refused.1.contains(problem), "{case}: {refused:?}");
            assert!(refused.2.contains(help), "{case}: {refused:?}");
        }
    }

    #[test]
    fn all_errors_of_a_file_are_told_at_once_in_the_order_of_its_text() {
        let told = |text: &str| {
            let source = Source::of("mine.toml", text.to_owned());
            match source.parse(|_: &Workload| Ok(())).expect_err("it is wrong") {
                ConfigError::Several(errors) => errors.iter().map(ToString::to_string).collect(),
                error => vec![error.to_string()],
            }
        };
        let column = "[[column]]\nname = \"a\"\ntype = \"long\"\n";
        let unfit = "rat = 4\nload = 3\n[keys]\nskew = \"even\"\n[[column]]\nname = \"a\"\nmerge = \"sum\"\n";
        let wanted = [
            "mine.toml:1:1: unknown field `rat`",
            "mine.toml:2:8: invalid type: a whole number",
            "mine.toml:4:8: unknown variant `even`",
            "mine.toml:5:1: missing field `type`",
            "mine.toml:7:9: unknown variant `sum`",
        ];
        assert_eq!(told(unfit), wanted);
        let invalid =
            format!("rate = 0\nload = \"0s\"\n{column}merge = \"union\"\ntouched-percent = 0\n{column}");
        let wanted = [
            "mine.toml:1:8: 0 ops per second",
            "mine.toml:2:8: the load must not be zero",
            "mine.toml:7:19: 0 percent",
            "mine.toml:9:8: the name `a` is already used",
        ];
        assert_eq!(told(&invalid), wanted);
        assert_eq!(told("rate = \n[keys\nlive = 3\n").len(), 2);
        assert_eq!(told(""), ["mine.toml:1:1: there is no column"]);
    }

    #[test]
    fn an_error_is_shown_with_file_line_caret_and_names() {
        let text =
            "hunts = \"nothing\"\n\n[[step]]\nid = \"a\"\nfalt = \"restart\"\nuntil = { after = \"1s\" }\n";
        let source = Source { stem: "mine".to_owned(), file: "mine.toml".to_owned(), text: text.to_owned() };
        let error = source.parse(|_: &Nemesis| Ok(())).expect_err("a misspelt key");
        assert_eq!(error.to_string(), "mine.toml:5:1: unknown field `falt`");
        let mut shown = String::new();
        let plain = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none());
        plain.render_report(&mut shown, &error).expect("it can be shown");
        for part in [
            "mine.toml:5:1",
            "falt = \"restart\"",
            "here",
            "did you mean `fault`? allowed: begin, fault, id, ",
        ] {
            assert!(shown.contains(part), "{part} is not in\n{shown}");
        }
    }
}

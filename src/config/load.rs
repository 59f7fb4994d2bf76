//! The one way to load a file of any kind: by its name in the catalogue, or from a path.

use super::document::ConfigFile;
use super::error::{ConfigError, InvalidValue};
use super::file_text::{self, Source};

/// Whether an argument is a path: it contains a path separator or ends in `.toml`.
pub fn is_path(argument: &str) -> bool {
    file_text::is_path(argument)
}

/// Loads a file from the catalogue by name, or from a path if the argument contains a path separator or ends
/// in `.toml`.
pub fn load<T: ConfigFile>(argument: &str) -> Result<T, ConfigError> {
    load_with(argument, |_| Ok(()))
}

/// Loads a file as [`load`] does, and checks it further. An error of that check names the place in the file.
pub fn load_with<T: ConfigFile>(
    argument: &str,
    check: impl Fn(&T) -> Result<(), InvalidValue>,
) -> Result<T, ConfigError> {
    Source::find::<T>(argument)?.parse(check)
}

/// Loads a file from a path, without looking in the catalogue.
pub fn load_file<T: ConfigFile>(path: &str) -> Result<T, ConfigError> {
    Source::read(T::KIND, path)?.parse(|_| Ok(()))
}

/// Parses a text. `file` is its name in messages, and the stem of that is the name of the contents.
pub fn parse<T: ConfigFile>(file: &str, text: String) -> Result<T, ConfigError> {
    Source::of(file, text).parse(|_| Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dissent_core::history::nemesis::Nemesis;
    use dissent_core::history::workload::Workload;
    use std::fmt::Debug;

    #[track_caller]
    fn embeds_its_folder<T: ConfigFile + Debug + PartialEq + serde::Serialize>() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(T::FOLDER);
        let mut files: Vec<String> = std::fs::read_dir(&folder)
            .expect("the folder is there")
            .map(|file| file.expect("it can be listed").file_name().to_string_lossy().into_owned())
            .collect();
        files.retain(|file| file.ends_with(".toml"));
        files.sort();
        let embedded: Vec<String> = T::CATALOGUE.iter().map(|file| format!("{}.toml", file.name)).collect();
        assert_eq!(embedded, files, "the list in this file and {} differ", T::FOLDER);

        for file in T::CATALOGUE {
            let mut loaded: T = load(file.name).expect(file.name);
            let path = folder.join(format!("{}.toml", file.name));
            let read: T = load(&path.to_string_lossy()).expect("a path loads too");
            assert_eq!(loaded, read);
            assert_eq!(loaded.name(), file.name);
            assert!(file.text.starts_with("# "), "{} opens with what it hunts", file.name);
            let json = serde_json::to_string(&loaded).expect("it is stored as JSON");
            assert_eq!(serde_json::from_str::<T>(&json).expect(&json), loaded);
        }
    }

    #[test]
    fn the_catalogue_is_the_folders() {
        embeds_its_folder::<Workload>();
        embeds_its_folder::<Nemesis>();
    }

    #[test]
    fn a_name_that_is_not_there_gives_the_nearest_and_the_list() {
        let error = load::<Nemesis>("late-transitoin").expect_err("no such plan");
        assert_eq!(error.to_string(), "no nemesis plan is called `late-transitoin`");
        let help = miette::Diagnostic::help(&error).expect("there is help").to_string();
        let names: Vec<&str> = Nemesis::CATALOGUE.iter().map(|file| file.name).collect();
        let (near, allowed) = ("did you mean `late-transition`?", names.join(", "));
        let own = "for your own, give the path of a .toml file";
        assert_eq!(help, format!("{near} allowed: {allowed}; {own}"));
        for path in ["./nowhere", "nowhere.toml"] {
            let error = load::<Workload>(path).expect_err("no such file").to_string();
            assert!(error.starts_with(&format!("cannot read the workload file {path}: ")), "{error}");
        }
    }
}

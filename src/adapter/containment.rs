//! The commands of a target's own tools that contain a wrong copy: what isolates it, what preserves the
//! evidence, how one key is read on every replica, and what must not be done yet. dissent never runs them.

/// What is wrong, and where.
#[derive(Clone, Copy, Debug)]
pub struct Affected<'a> {
    /// The table.
    pub table: &'a str,
    /// The segments with wrong rows, in sequence.
    pub segments: &'a [String],
    /// The replicas that are wrong.
    pub wrong: &'a [String],
    /// The replicas that are right.
    pub right: &'a [String],
    /// The column with the key.
    pub key_column: &'a str,
    /// One affected key.
    pub key: &'a str,
}

/// A command with its purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainmentStep {
    /// What it is for, in a few words.
    pub purpose: String,
    /// The command, to be pasted into a shell. Names in capitals behind a `$` are the reader's to set.
    pub command: String,
}

/// How to contain a wrong copy on one system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Containment {
    /// Takes wrong replicas out of the way of readers.
    pub isolate: Vec<ContainmentStep>,
    /// Saves what the next commit, reload or restart destroys.
    pub preserve: Vec<ContainmentStep>,
    /// Shows one affected key on every replica.
    pub read_key: Vec<ContainmentStep>,
    /// What makes it worse, each with its reason.
    pub not_yet: Vec<String>,
}

impl ContainmentStep {
    pub(super) fn new(purpose: impl Into<String>, command: impl Into<String>) -> ContainmentStep {
        ContainmentStep { purpose: purpose.into(), command: command.into() }
    }
}

/// A text as one word of a shell.
pub(super) fn shell_word(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_cannot_leave_its_quotes() {
        assert_eq!(shell_word("k1"), "'k1'");
        assert_eq!(shell_word("k'; rm -rf ~ #"), r"'k'\''; rm -rf ~ #'");
    }
}

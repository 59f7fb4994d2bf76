//! Hashes of rows, as SQL that the servers compute themselves.

use super::sql::quoted;

/// The hash functions that all servers have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerHash {
    /// PostgreSQL 14 and newer, one version: rows need not become text, which halves the work.
    Records,
    /// PostgreSQL 13, one version.
    Texts,
    /// Versions need not hash alike, but for MD5.
    Md5,
}

impl ServerHash {
    /// What servers of these versions have in common.
    pub(super) fn common(versions: &[String]) -> ServerHash {
        let Some(first) = versions.first() else { return ServerHash::Md5 };
        match major(first).parse::<u32>() {
            _ if versions.iter().any(|version| major(version) != major(first)) => ServerHash::Md5,
            Ok(14..) => ServerHash::Records,
            _ => ServerHash::Texts,
        }
    }

    /// A hash of a text, as a bigint.
    pub(super) fn text(self, text: &str, seed: u32) -> String {
        match self {
            ServerHash::Records | ServerHash::Texts => format!("hashtextextended({text}, {seed})"),
            ServerHash::Md5 => format!("('x' || left(md5({seed} || {text}), 16))::bit(64)::bigint"),
        }
    }

    /// A hash of a row, as a bigint. Hashes are summed up by bucket.
    ///
    /// `hash_record_extended` is linear in the hashes of the columns: two rows that swapped a value would
    /// leave the sum as it is. So its result is hashed once more.
    pub(super) fn row<'a>(self, columns: impl Iterator<Item = (&'a str, &'a str)>) -> String {
        match self {
            ServerHash::Records => {
                let cells: Vec<String> = columns.map(|(name, ty)| hashed(name, ty)).collect();
                self.text(&format!("hash_record_extended(row({}), 0)::text", cells.join(", ")), 0)
            }
            ServerHash::Texts | ServerHash::Md5 => {
                let names: Vec<String> = columns.map(|(name, _)| quoted(name)).collect();
                self.text(&format!("row({})::text", names.join(", ")), 0)
            }
        }
    }
}

/// The part of a version that says how a server hashes: `15` of `15.4`.
fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or(version)
}

/// A column in a form whose hashes are equal only if it is shown alike. Numbers such as 1.5 and 1.50 have one
/// hash, and so have texts that a collation holds for equal.
fn hashed(name: &str, ty: &str) -> String {
    let name = quoted(name);
    let base = ty.split('(').next().unwrap_or(ty);
    match base {
        "smallint" | "integer" | "bigint" | "boolean" | "date" | "uuid" | "bytea" => name,
        "text" | "character varying" => format!("{name} collate \"C\""),
        _ if base.starts_with("timestamp") => name,
        _ => format!("{name}::text collate \"C\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common(versions: &[&str]) -> ServerHash {
        ServerHash::common(&versions.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn the_hash_is_one_that_all_servers_compute_alike() {
        assert_eq!(common(&["15.4", "15.6"]), ServerHash::Records);
        assert_eq!(common(&["13.9", "13.9"]), ServerHash::Texts);
        assert_eq!(common(&["15.4", "16.1"]), ServerHash::Md5);
    }

    #[test]
    fn values_that_are_equal_but_shown_differently_are_hashed_as_text() {
        let columns = [("id", "bigint"), ("balance", "numeric(10,2)"), ("owner", "text"), ("rate", "real")];
        assert_eq!(
            ServerHash::Records.row(columns.into_iter()),
            "hashtextextended(hash_record_extended(row(\"id\", \"balance\"::text collate \"C\", \
             \"owner\" collate \"C\", \"rate\"::text collate \"C\"), 0)::text, 0)"
        );
    }
}

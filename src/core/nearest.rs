//! The name that was most likely meant by one that is unknown.

/// Lists the allowed names, after the nearest one if any is near.
pub fn advise(written: &str, allowed: &[&str]) -> String {
    let list = allowed.join(", ");
    match nearest(written, allowed) {
        Some(near) => format!("did you mean `{near}`? allowed: {list}"),
        None => format!("allowed: {list}"),
    }
}

/// The allowed name that was most likely meant: the one with the fewest differing letters, at most a third
/// of the longer name (so `rate` is not suggested for `pool`).
pub fn nearest<'a>(written: &str, allowed: &[&'a str]) -> Option<&'a str> {
    let near = allowed.iter().map(|name| (letters_apart(written, name), *name)).min()?;
    let longer = written.chars().count().max(near.1.chars().count());
    (3 * near.0 <= longer.max(3)).then_some(near.1)
}

/// The few nearest names, nearest first.
pub fn nearest_few<'a>(written: &str, known: impl Iterator<Item = &'a str>, most: usize) -> Vec<&'a str> {
    let mut apart: Vec<(usize, &str)> = known.map(|name| (letters_apart(written, name), name)).collect();
    apart.sort_unstable();
    apart.into_iter().take(most).map(|(_, name)| name).collect()
}

/// How many letters must be inserted, deleted, changed or swapped with their neighbour to turn one word into
/// the other (Damerau, "A technique for computer detection and correction of spelling errors", 1964).
fn letters_apart(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut table = vec![vec![0; other.len() + 1]; one.len() + 1];
    for i in 0..=one.len() {
        for j in 0..=other.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let changed = table[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
                changed.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1)
            };
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                table[i][j] = table[i][j].min(table[i - 2][j - 2] + 1);
            }
        }
    }
    table[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_only_when_it_is_near() {
        let allowed = ["late-transition", "none", "restart-one"];
        for (written, near) in [
            ("late-transitoin", Some("late-transition")),
            ("non", Some("none")),
            ("restart-on", Some("restart-one")),
            ("split-brain", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, &allowed), near, "{written}");
        }
        assert_eq!(advise("x", &["a", "bcd"]), "did you mean `a`? allowed: a, bcd");
    }

    #[test]
    fn distances_between_words() {
        for (one, other, distance) in [
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("same", "same", 0),
            ("guard", "gaurd", 1),
            ("ab", "ba", 1),
        ] {
            assert_eq!(letters_apart(one, other), distance, "{one} {other}");
            assert_eq!(letters_apart(other, one), distance, "{other} {one}");
        }
    }
}

//! The result of a self-test in one line.

use super::format::printable;
use dissent_core::checker::self_test::{SelfTest, Spot};
use dissent_core::history::stored_name::stored_name;

/// `self-test: found ..`, or why not. No newline.
pub fn line(test: &SelfTest) -> String {
    let told = match test {
        SelfTest::Found { spot, pattern } => {
            format!("found the corrupted value: {}, {}", stored_name(pattern), place(spot))
        }
        SelfTest::Missed { spot, instead } => format!(
            "NOT found: {} was corrupted, and the checker reported [{}]: the checker is broken, so do not \
             trust its verdicts, and report this line",
            place(spot),
            instead.join(", "),
        ),
        SelfTest::NotDone { reason } => format!("not run: {reason}"),
    };
    printable(&format!("self-test: {told}"))
}

fn place(spot: &Spot) -> String {
    format!(
        "{} of key {} on {}, offset {} of partition {}",
        spot.column, spot.key, spot.replica, spot.off, spot.partition
    )
}

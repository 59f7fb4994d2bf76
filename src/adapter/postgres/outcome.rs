//! What an error says of the write that it answers.

use dissent_core::history::event::OpOutcome;
use tokio_postgres::Error;
use tokio_postgres::error::Severity;

/// Classes and codes of SQLSTATE after which a statement has not happened: the server found the error before
/// the commit, and rolled back (PostgreSQL manual, Appendix A, "PostgreSQL Error Codes"). An error with any
/// other code may have met the commit itself: a connection that broke (08), a server that stops (57P01), an
/// error of the system or of the server (58, XX), and what the server itself does not know (40003).
const ROLLED_BACK: [&str; 16] = [
    "0A", "21", "22", "23", "25", "28", "3D", "3F", "40001", "40P01", "42", "53", "54", "55", "57014",
    "57P03",
];

/// The outcome of a write that failed with this error, after it was sent. Only what the server reports as an
/// error of the statement can prove that nothing happened; a fatal error ends the session, and may follow a
/// commit.
pub(super) fn after(error: &Error) -> OpOutcome {
    match error.as_db_error() {
        Some(told) if told.parsed_severity() == Some(Severity::Error) => of_state(told.code().code()),
        _ => OpOutcome::Unknown,
    }
}

fn of_state(code: &str) -> OpOutcome {
    match ROLLED_BACK.iter().any(|known| code.starts_with(known)) {
        true => OpOutcome::Failed,
        false => OpOutcome::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_rolled_back_for_sure_has_failed() {
        for code in [
            "23505", "23502", "22003", "25006", "40001", "40P01", "42P01", "53100", "53300", "55P03", "57014",
        ] {
            assert_eq!(of_state(code), OpOutcome::Failed, "{code}");
        }
        for code in ["08006", "08007", "40003", "40000", "57P01", "57P02", "58030", "XX000", "P0001", ""] {
            assert_eq!(of_state(code), OpOutcome::Unknown, "{code}");
        }
    }
}

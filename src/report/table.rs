//! The table of a campaign's arms, in plain text.

/// One arm of a campaign, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArmRow {
    /// The arm's name.
    pub arm: String,
    /// What it should have come to.
    pub expected: String,
    /// What it came to.
    pub found: String,
    /// How much that rests on: runs, exposed runs, what was compared.
    pub evidence: String,
    /// Where its report lies.
    pub report: String,
}

/// The arms as an aligned table, a line each below the heads, ending in a newline.
pub fn arms(rows: &[ArmRow]) -> String {
    let heads = ["arm", "expected", "found", "evidence", "report"].map(str::to_owned);
    let mut lines = vec![heads];
    for row in rows {
        let cells = [&row.arm, &row.expected, &row.found, &row.evidence, &row.report];
        lines.push(cells.map(|cell| super::format::printable(cell)));
    }
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: [usize; 5] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let mut out = String::new();
    for line in &lines {
        let cells: Vec<_> = line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

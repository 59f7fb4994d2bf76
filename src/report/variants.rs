//! The table of a campaign's variants, in plain text.

/// One variant of a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariantRow {
    /// The name of the variant.
    pub arm: String,
    /// The expected result.
    pub expected: String,
    /// The actual result.
    pub found: String,
    /// What the result is based on: runs, exposed runs, rows compared.
    pub evidence: String,
    /// The path of its report.
    pub report: String,
}

/// The variants as an aligned table with a header, one line each, ending in a newline.
pub fn arms(rows: &[VariantRow]) -> String {
    let heads = ["variant", "expected", "found", "evidence", "report"].map(str::to_owned);
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

//! Keys and replicas as a map of right and wrong cells, a replica to a line.

use super::cells::Cells;
use super::figure::px;
use super::parts::scroll;
use crate::report::format::{counted, printable, shortened};
use dissent_core::checker::verdict::{Divergence, KeyCopies, Spread};
use maud::{Markup, html};

/// Cells drawn; keys that do not fit are counted.
const CELLS_MAX: usize = 480;
/// Keys in one band of the map.
const BAND: usize = 40;
const WIDTH: f64 = 640.0;
const LEFT: f64 = 110.0;
const CELL: f64 = 13.0;

/// The map; none if it is not known which key is wrong where.
pub(super) fn map(d: &Divergence, spread: &Spread, roster: &[String]) -> Option<Markup> {
    let is_shown = |replica: &&String| {
        spread.keys.iter().any(|it| it.wrong.contains(replica) || it.right.contains(replica))
    };
    let replicas: Vec<&String> = roster.iter().filter(is_shown).collect();
    let most = CELLS_MAX.checked_div(replicas.len())?;
    let drawn = &spread.keys[..spread.keys.len().min(most)];
    let bands: Vec<&[KeyCopies]> = drawn.chunks(BAND).collect();
    let band_height = CELL * replicas.len() as f64 + 12.0;
    let height = band_height * bands.len() as f64;
    let left_out = d.keys.len().saturating_sub(drawn.len());
    let label =
        format!("{} on {} replicas: right or wrong", counted(drawn.len() as u64, "key"), replicas.len());
    let drawing = html! {
        svg.map viewBox=(format!("0 0 {WIDTH} {}", px(height))) role="img"
            aria-label=(label) {
            @for at in 0..bands.len() {
                @for (line, replica) in replicas.iter().enumerate() {
                    @let y = band_height * at as f64 + CELL * line as f64;
                    text.lane x=(px(LEFT - 8.0)) y=(px(y + 11.0)) text-anchor="end" {
                        (shortened(&printable(replica), 14))
                    }
                }
            }
            (cells(&bands, &replicas, band_height))
        }
    };
    Some(html! {
        figure {
            (scroll("Keys and replicas", drawing))
            figcaption {
                "A column for each key, in order, and a line for each replica, at the last capture that "
                "shows these rows."
                @if left_out > 0 { " " (counted(left_out as u64, "more key")) " not drawn." }
            }
        }
    })
}

/// All cells, band after band.
fn cells(bands: &[&[KeyCopies]], replicas: &[&String], band_height: f64) -> Markup {
    let (mut wrong, mut right) = (Cells::default(), Cells::default());
    for (at, band) in bands.iter().enumerate() {
        for (column, copies) in band.iter().enumerate() {
            for (line, replica) in replicas.iter().enumerate() {
                let (x, y) = (LEFT + CELL * column as f64, band_height * at as f64 + CELL * line as f64);
                if copies.wrong.contains(replica) {
                    wrong.push(x, y);
                } else if copies.right.contains(replica) {
                    right.push(x, y);
                }
            }
        }
    }
    html! {
        (wrong.drawn_wrong(CELL - 2.0))
        (right.drawn_right(CELL - 2.0))
    }
}

//! Squares that stand for copies, told apart without colours: a wrong one is full and crossed, a right one
//! is open. All squares of a kind are one path, so that hundreds of them stay small.

use super::figure::px;
use maud::{Markup, html};

/// Squares of one kind, by their upper left corners.
#[derive(Default)]
pub(super) struct Cells {
    corners: Vec<(f64, f64)>,
}

impl Cells {
    pub(super) fn push(&mut self, x: f64, y: f64) {
        self.corners.push((x, y));
    }

    /// As full squares with a cross.
    pub(super) fn drawn_wrong(&self, size: f64) -> Markup {
        let (inset, arm) = (size / 4.0, size / 2.0);
        let squares = self.path(|x, y| format!("M{} {}h{size}v{size}h-{size}z", px(x), px(y)));
        let crosses = self
            .path(|x, y| format!("M{} {}l{arm} {arm}m0-{arm}l-{arm} {arm}", px(x + inset), px(y + inset)));
        html! {
            path.bad d=(squares) {}
            path.cross d=(crosses) {}
        }
    }

    /// As open squares.
    pub(super) fn drawn_right(&self, size: f64) -> Markup {
        let side = size - 2.0;
        let squares = self.path(|x, y| format!("M{} {}h{side}v{side}h-{side}z", px(x + 1.0), px(y + 1.0)));
        html! { path.good d=(squares) {} }
    }

    fn path(&self, one: impl Fn(f64, f64) -> String) -> String {
        self.corners.iter().map(|(x, y)| one(*x, *y)).collect()
    }
}

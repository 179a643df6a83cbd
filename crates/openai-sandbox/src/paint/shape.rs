//! Outlines: polygons with smooth curves flattened into them. Overlapping outlines of one shape cut holes.

use std::f32::consts::TAU;

type Point = (f32, f32);

#[derive(Debug, Clone, Default)]
pub struct Shape(Vec<Vec<Point>>);

impl Shape {
    pub fn polygon(points: impl IntoIterator<Item = Point>) -> Self {
        Self(vec![points.into_iter().collect()])
    }

    pub fn rectangle(left: f32, top: f32, width: f32, height: f32) -> Self {
        Self::polygon([(left, top), (left + width, top), (left + width, top + height), (left, top + height)])
    }

    pub fn ellipse((x, y): Point, across: f32, down: f32) -> Self {
        const STEPS: u32 = 64;
        Self::polygon((0..STEPS).map(|step| {
            let (sin, cos) = (step as f32 / STEPS as f32 * TAU).sin_cos();
            (x + across * cos, y + down * sin)
        }))
    }

    pub fn circle(center: Point, radius: f32) -> Self {
        Self::ellipse(center, radius, radius)
    }

    /// A closed curve that passes through all points (Catmull-Rom).
    pub fn blob(points: &[Point]) -> Self {
        const STEPS: usize = 10;
        let around = || points.iter().copied().cycle();
        let corners = around().zip(around().skip(1)).zip(around().skip(2).zip(around().skip(3)));
        Self::polygon(corners.take(points.len()).flat_map(|((before, from), (to, after))| {
            (0..STEPS).map(move |step| {
                let t = step as f32 / STEPS as f32;
                let curve = |p0: f32, p1: f32, p2: f32, p3: f32| {
                    let bend = 2.0 * p0 - 5.0 * p1 + 4.0 * p2 - p3;
                    let twist = 3.0 * p1 - p0 - 3.0 * p2 + p3;
                    0.5 * (2.0 * p1 + (p2 - p0) * t + bend * t * t + twist * t * t * t)
                };
                (curve(before.0, from.0, to.0, after.0), curve(before.1, from.1, to.1, after.1))
            })
        }))
    }

    /// A line with a breadth.
    pub fn stroke(from: Point, to: Point, breadth: f32) -> Self {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy).max(f32::EPSILON);
        let (nx, ny) = (-dy / length * breadth / 2.0, dx / length * breadth / 2.0);
        Self::polygon([
            (from.0 + nx, from.1 + ny),
            (to.0 + nx, to.1 + ny),
            (to.0 - nx, to.1 - ny),
            (from.0 - nx, from.1 - ny),
        ])
    }

    /// Scaled about the origin (across, down), then moved.
    pub fn placed(mut self, at: Point, scale: (f32, f32)) -> Self {
        for point in self.0.iter_mut().flatten() {
            *point = (point.0 * scale.0 + at.0, point.1 * scale.1 + at.1);
        }
        self
    }

    /// Left, top, right, bottom.
    pub fn bounds(&self) -> Option<(f32, f32, f32, f32)> {
        self.0.iter().flatten().fold(None, |bounds, &(x, y)| {
            let (left, top, right, bottom) = bounds.unwrap_or((x, y, x, y));
            Some((left.min(x), top.min(y), right.max(x), bottom.max(y)))
        })
    }

    /// Where a level line enters and leaves the shape.
    pub fn crossings(&self, y: f32) -> impl Iterator<Item = (f32, f32)> {
        let mut at: Vec<f32> = Vec::new();
        for outline in &self.0 {
            for (from, to) in outline.iter().zip(outline.iter().cycle().skip(1)) {
                if (from.1 <= y) != (to.1 <= y) {
                    at.push(from.0 + (y - from.1) / (to.1 - from.1) * (to.0 - from.0));
                }
            }
        }
        at.sort_by(f32::total_cmp);
        (0..at.len() / 2).filter_map(move |pair| Some((*at.get(pair * 2)?, *at.get(pair * 2 + 1)?)))
    }
}

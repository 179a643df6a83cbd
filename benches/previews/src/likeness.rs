//! Structural similarity (Wang et al., 2004) in windows of 8 by 8 pixels, half overlapping: 1 is the same picture.

use image::RgbImage;

const WINDOW: usize = 8;

#[derive(Clone, Copy, Debug)]
pub struct Likeness {
    pub luma: f64,
    /// The mean of both colour differences.
    pub chroma: f64,
}

pub fn likeness(a: &RgbImage, b: &RgbImage) -> Likeness {
    let width = a.width() as usize;
    let [luma, blue, red] = [0, 1, 2].map(|plane| similarity(&planes(a, plane), &planes(b, plane), width));
    Likeness { luma, chroma: (blue + red) / 2.0 }
}

/// One plane of YCbCr as JPEG has it.
fn planes(image: &RgbImage, plane: usize) -> Vec<f64> {
    const WEIGHTS: [[f64; 3]; 3] = [[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]];
    image
        .pixels()
        .map(|pixel| pixel.0.iter().zip(WEIGHTS[plane]).map(|(value, weight)| f64::from(*value) * weight).sum())
        .collect()
}

fn similarity(a: &[f64], b: &[f64], width: usize) -> f64 {
    const C1: f64 = 6.5025;
    const C2: f64 = 58.5225;
    let (mut sum, mut windows) = (0.0, 0.0);
    for top in (0..=a.len() / width - WINDOW).step_by(WINDOW / 2) {
        for left in (0..=width - WINDOW).step_by(WINDOW / 2) {
            let (mut sa, mut sb, mut saa, mut sbb, mut sab) = (0.0, 0.0, 0.0, 0.0, 0.0);
            for row in top..top + WINDOW {
                let at = row * width + left;
                for (x, y) in a[at..at + WINDOW].iter().zip(&b[at..at + WINDOW]) {
                    sa += x;
                    sb += y;
                    saa += x * x;
                    sbb += y * y;
                    sab += x * y;
                }
            }
            let n = (WINDOW * WINDOW) as f64;
            let (ma, mb) = (sa / n, sb / n);
            let (va, vb, cov) = (saa / n - ma * ma, sbb / n - mb * mb, sab / n - ma * mb);
            sum += (2.0 * ma * mb + C1) * (2.0 * cov + C2) / ((ma * ma + mb * mb + C1) * (va + vb + C2));
            windows += 1.0;
        }
    }
    sum / windows
}

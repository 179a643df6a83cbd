//! From a prompt's words to what is to be seen.

use rand::{RngExt, SeedableRng, seq::IndexedRandom};

use super::{
    Chance,
    canvas::Color,
    motif::{self, Motif},
};

#[derive(Debug)]
pub(super) struct Scene {
    pub land: Land,
    pub hour: Hour,
    pub weather: Weather,
    pub motifs: Vec<Motif>,
    /// The colour that the prompt names, if it names one.
    pub accent: Option<Color>,
    /// The sky from the top down.
    pub sky: [Color; 3],
    pub light: Color,
    /// Position of the sun or the moon, in parts of the picture.
    pub sun: (f32, f32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Land {
    Hills,
    Mountains,
    Sea,
    Forest,
    Desert,
    Snow,
    City,
    Space,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hour {
    Dawn,
    Day,
    Dusk,
    Night,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weather {
    Fair,
    Cloudy,
    Rain,
    Snowfall,
}

pub(super) const LANDS: [(Land, &str); 8] = [
    (Land::Mountains, "mountain peak alps valley cliff volcano glacier canyon himalaya"),
    (Land::Sea, "sea ocean beach coast lake harbor harbour bay wave island water river sail sailing fish whale"),
    (Land::Forest, "forest wood woods jungle pine fir deer bear fox wolf"),
    (Land::Desert, "desert dune sand sahara camel cactus pyramid"),
    (Land::Snow, "snow snowy winter ice icy arctic christmas ski polar penguin"),
    (Land::City, "city town skyline street tokyo york london paris urban skyscraper cyberpunk neon building office"),
    (Land::Space, "space planet galaxy mars astronaut nebula alien cosmic saturn orbit spaceship"),
    (Land::Hills, "hill field meadow farm garden countryside village green grass spring summer"),
];

/// An hour, how high the sun stands above the horizon, the sky's colours from the top down, and the light's.
type Light = (Hour, f32, [u32; 4]);

const HOURS: [(Light, &str); 4] = [
    (NIGHT, "night midnight moon moonlit star starry dark neon cyberpunk space galaxy"),
    (DUSK, "sunset dusk evening twilight golden"),
    (DAWN, "sunrise dawn morning pastel misty mist fog foggy"),
    (DAY, "day noon sunny sun bright summer blue"),
];

const DAWN: Light = (Hour::Dawn, 0.27, [0x0059_70b0, 0x00d8_a5b4, 0x00fc_e3bd, 0x00ff_f3cf]);
const DAY: Light = (Hour::Day, 0.66, [0x0036_78c0, 0x0083_b9e4, 0x00e8_f1f2, 0x00ff_f7dc]);
const DUSK: Light = (Hour::Dusk, 0.17, [0x002b_2860, 0x00bd_4c7c, 0x00ff_b661, 0x00ff_edaf]);
const NIGHT: Light = (Hour::Night, 0.66, [0x0006_0a22, 0x0014_204c, 0x0039_4a82, 0x00f4_f1e0]);

const WEATHERS: [(Weather, &str); 3] = [
    (Weather::Snowfall, "snowfall snowing blizzard winter christmas"),
    (Weather::Rain, "rain rainy storm stormy thunder"),
    (Weather::Cloudy, "cloud cloudy overcast"),
];

const COLORS: [(u32, &str); 12] = [
    (0x00d2_3a34, "red crimson scarlet ruby"),
    (0x00e8_7d2c, "orange autumn ginger"),
    (0x00ee_c23c, "yellow golden gold"),
    (0x0046_9b4b, "green emerald jade"),
    (0x002f_a7a0, "teal turquoise cyan mint"),
    (0x0035_69c9, "blue azure navy sapphire"),
    (0x0080_4cb4, "purple violet lavender lilac"),
    (0x00e0_6fa4, "pink rose magenta"),
    (0x0085_583a, "brown wooden"),
    (0x00f1_efe8, "white ivory"),
    (0x0026_2a33, "black"),
    (0x0093_9aa5, "gray grey silver"),
];

impl Land {
    /// Height at which sky and land meet, as a part of the whole.
    pub(super) fn horizon(self) -> f32 {
        match self {
            Self::Sea => 0.58,
            Self::City | Self::Space => 0.79,
            Self::Hills | Self::Mountains | Self::Forest | Self::Desert | Self::Snow => 0.62,
        }
    }
}

impl Scene {
    /// Reads the prompt; `seed` decides what it leaves open.
    pub(super) fn read(prompt: &str, seed: u64) -> Self {
        let mut chance = Chance::seed_from_u64(seed);
        let lower = prompt.to_lowercase();
        let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let motifs: Vec<Motif> = every(motif::all().map(|motif| (motif, motif.words)), &words).collect();
        let sails = motifs.iter().any(|motif| motif.name == "boat").then_some(Land::Sea);
        let named = sails.or_else(|| every(LANDS, &words).next());
        let land = named.or_else(|| motifs.first()?.land).unwrap_or_else(|| {
            let lands = [Land::Hills, Land::Mountains, Land::Sea, Land::Forest, Land::Desert];
            *lands.choose(&mut chance).unwrap_or(&Land::Hills)
        });
        let (hour, up, colors) = every(HOURS, &words).next().unwrap_or_else(|| match land {
            Land::Space => NIGHT,
            Land::City => DUSK,
            _ => *[DAY, DAY, DAWN, DUSK].choose(&mut chance).unwrap_or(&DAY),
        });
        let accent = every(COLORS, &words).next().map(Color::hex);
        let [top, middle, low, light] = colors.map(Color::hex);
        let tinted = |accent: Color| {
            [top.mix(accent.shade(-0.35), 0.55), middle.mix(accent, 0.5), low.mix(accent.shade(0.5), 0.4)]
        };
        Self {
            land,
            hour,
            weather: every(WEATHERS, &words).next().unwrap_or(Weather::Fair),
            sky: accent.filter(|_| motifs.is_empty()).map_or([top, middle, low], tinted),
            light,
            motifs,
            accent,
            sun: (chance.random_range(0.24..0.76), land.horizon() * (1.0 - up + chance.random_range(-0.08..0.08))),
        }
    }

    /// A thing's own colour at this hour, as it looks from afar: `near` is 1 here and 0 at the horizon.
    pub(super) fn faded(&self, color: Color, near: f32) -> Color {
        let [_, middle, low] = self.sky;
        let lit = match self.hour {
            _ if self.land == Land::Space => color,
            Hour::Day => color,
            Hour::Dawn => color.mix(low, 0.22).shade(-0.06),
            Hour::Dusk => color.mix(Color::hex(0x0030_1a3e), 0.5).mix(low, 0.1),
            Hour::Night => color.mix(Color::hex(0x000b_1230), 0.66),
        };
        low.mix(middle, 0.45).mix(lit, 0.3 + 0.7 * near)
    }

    /// The colour that the prompt gives to the land, which it does where there is no motif.
    pub(super) fn tint(&self) -> Option<Color> {
        self.accent.filter(|_| self.motifs.is_empty())
    }

    /// Lamps are lit.
    pub(super) fn is_dim(&self) -> bool {
        matches!(self.hour, Hour::Dusk | Hour::Night)
    }
}

/// Finds what the words name, in the table's order; a plural names the same.
pub(super) fn every<T: Copy>(
    table: impl IntoIterator<Item = (T, &'static str)>,
    words: &[&str],
) -> impl Iterator<Item = T> {
    let is_named = |names: &str| {
        names.split(' ').any(|name| words.iter().any(|word| *word == name || word.strip_suffix('s') == Some(name)))
    };
    table.into_iter().filter(move |(_, names)| is_named(names)).map(|(what, _)| what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_land_hour_motifs_and_colours_by_whole_words() {
        for (prompt, land, hour, motifs) in [
            ("Sailing boats at sunset", Land::Sea, Hour::Dusk, "boat"),
            ("A lighthouse, by NIGHT!", Land::Sea, Hour::Night, "lighthouse"),
            ("two boats on a lake in the mountains at noon", Land::Sea, Hour::Day, "boat"),
            ("snow on a cottage at dawn", Land::Snow, Hour::Dawn, "house"),
            ("a concatenated boathouse in the desert at noon", Land::Desert, Hour::Day, ""),
        ] {
            let scene = Scene::read(prompt, 0);
            let named: Vec<_> = scene.motifs.iter().map(|motif| motif.name).collect();
            assert_eq!((scene.land, scene.hour, &*named.join(" ")), (land, hour, motifs), "{prompt}");
        }
        assert_eq!(Scene::read("a red house at noon", 0).sky[0], Color::hex(DAY.2[0]));
        assert_ne!(Scene::read("something red at noon", 0).sky[0], Color::hex(DAY.2[0]));
    }
}

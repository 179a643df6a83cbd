//! From a prompt's words to what is to be seen.

use super::{color::Color, random::Random};

#[derive(Debug)]
pub struct Scene {
    pub seed: u64,
    pub land: Land,
    pub hour: Hour,
    pub weather: Weather,
    pub things: Vec<Thing>,
    /// The colour that the prompt names, if it names one.
    pub accent: Option<Color>,
    pub sky: Sky,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Land {
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
pub enum Hour {
    Dawn,
    Day,
    Dusk,
    Night,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    Fair,
    Cloudy,
    Rain,
    Snowfall,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    Balloon,
    Birds,
    Boat,
    Cat,
    Flowers,
    House,
    Lighthouse,
    Robot,
    Rocket,
    Tree,
}

/// The sky's colours from the top down, its light, and what distance fades into.
#[derive(Debug, Clone, Copy)]
pub struct Sky {
    pub top: Color,
    pub middle: Color,
    pub low: Color,
    pub light: Color,
}

const LANDS: [(Land, &str); 8] = [
    (Land::Mountains, "mountain peak alps valley cliff volcano glacier canyon himalaya"),
    (Land::Sea, "sea ocean beach coast lake harbor harbour bay wave island water river sail sailing fish whale"),
    (Land::Forest, "forest wood woods jungle pine fir deer bear fox wolf"),
    (Land::Desert, "desert dune sand sahara camel cactus pyramid"),
    (Land::Snow, "snow snowy winter ice icy arctic christmas ski polar penguin"),
    (Land::City, "city town skyline street tokyo york london paris urban skyscraper cyberpunk neon building office"),
    (Land::Space, "space planet galaxy mars astronaut nebula alien cosmic saturn orbit spaceship"),
    (Land::Hills, "hill field meadow farm garden countryside village green grass spring summer"),
];

const HOURS: [(Hour, &str); 4] = [
    (Hour::Night, "night midnight moon moonlit star starry dark neon cyberpunk space galaxy"),
    (Hour::Dusk, "sunset dusk evening twilight golden"),
    (Hour::Dawn, "sunrise dawn morning pastel misty mist fog foggy"),
    (Hour::Day, "day noon sunny sun bright summer blue"),
];

const WEATHERS: [(Weather, &str); 3] = [
    (Weather::Snowfall, "snowfall snowing blizzard winter christmas"),
    (Weather::Rain, "rain rainy storm stormy thunder"),
    (Weather::Cloudy, "cloud cloudy overcast"),
];

const THINGS: [(Thing, &str); 10] = [
    (Thing::Cat, "cat kitten kitty"),
    (Thing::Robot, "robot android machine"),
    (Thing::Rocket, "rocket spaceship astronaut shuttle"),
    (Thing::Boat, "boat ship sail sailing sailboat yacht regatta"),
    (Thing::Lighthouse, "lighthouse beacon"),
    (Thing::House, "house cottage cabin hut home farm village barn castle"),
    (Thing::Balloon, "balloon airship zeppelin"),
    (Thing::Flowers, "flower tulip rose poppy sunflower daisy bouquet garden meadow"),
    (Thing::Tree, "tree oak apple cherry autumn"),
    (Thing::Birds, "bird gull seagull crow eagle swallow goose geese"),
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

impl Scene {
    pub fn read(prompt: &str) -> Self {
        let seed = Random::seed(prompt);
        let mut random = Random::new(seed, 0);
        let lower = prompt.to_lowercase();
        let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let things: Vec<Thing> = every(&THINGS, &words).collect();
        let named = if things.contains(&Thing::Boat) { Some(Land::Sea) } else { every(&LANDS, &words).next() };
        let land = named.or_else(|| usual_land(&things)).unwrap_or_else(|| {
            let lands = [Land::Hills, Land::Mountains, Land::Sea, Land::Forest, Land::Desert];
            random.pick(&lands).copied().unwrap_or(Land::Hills)
        });
        let hour = every(&HOURS, &words).next().unwrap_or_else(|| match land {
            Land::Space => Hour::Night,
            Land::City => Hour::Dusk,
            _ => random.pick(&[Hour::Day, Hour::Day, Hour::Dawn, Hour::Dusk]).copied().unwrap_or(Hour::Day),
        });
        let accent = every(&COLORS, &words).next().map(Color::hex);
        Self {
            seed,
            land,
            hour,
            weather: every(&WEATHERS, &words).next().unwrap_or(Weather::Fair),
            sky: Sky::at(hour).tinted(accent.filter(|_| things.is_empty())),
            things,
            accent,
        }
    }

    /// Where sky and land meet, as a part of the height.
    pub fn horizon(&self) -> f32 {
        match self.land {
            Land::Sea => 0.58,
            Land::City => 0.80,
            Land::Space => 0.78,
            _ => 0.62,
        }
    }

    /// A thing's own colour as it looks at this hour.
    pub fn lit(&self, color: Color) -> Color {
        match self.hour {
            _ if self.land == Land::Space => color,
            Hour::Day => color,
            Hour::Dawn => color.mix(self.sky.low, 0.22).darker(0.06),
            Hour::Dusk => color.mix(Color::hex(0x0030_1a3e), 0.5).mix(self.sky.low, 0.1),
            Hour::Night => color.mix(Color::hex(0x000b_1230), 0.66),
        }
    }

    /// The same from afar: `near` is 1 here and 0 at the horizon.
    pub fn faded(&self, color: Color, near: f32) -> Color {
        let haze = self.sky.low.mix(self.sky.middle, 0.45);
        haze.mix(self.lit(color), 0.3 + 0.7 * near)
    }

    /// Whether windows are lit.
    pub fn is_dim(&self) -> bool {
        matches!(self.hour, Hour::Dusk | Hour::Night)
    }
}

impl Sky {
    fn at(hour: Hour) -> Self {
        let [top, middle, low, light] = match hour {
            Hour::Day => [0x0036_78c0, 0x0083_b9e4, 0x00e8_f1f2, 0x00ff_f7dc],
            Hour::Dawn => [0x0059_70b0, 0x00d8_a5b4, 0x00fc_e3bd, 0x00ff_f3cf],
            Hour::Dusk => [0x002b_2860, 0x00bd_4c7c, 0x00ff_b661, 0x00ff_edaf],
            Hour::Night => [0x0006_0a22, 0x0014_204c, 0x0039_4a82, 0x00f4_f1e0],
        }
        .map(Color::hex);
        Self { top, middle, low, light }
    }

    fn tinted(self, accent: Option<Color>) -> Self {
        let Some(accent) = accent else { return self };
        Self {
            top: self.top.mix(accent.darker(0.35), 0.55),
            middle: self.middle.mix(accent, 0.5),
            low: self.low.mix(accent.lighter(0.5), 0.4),
            light: self.light,
        }
    }

    /// The colour at a part of the way down to the horizon.
    pub fn color(&self, down: f32) -> Color {
        if down < 0.55 {
            self.top.mix(self.middle, smooth(down / 0.55))
        } else {
            self.middle.mix(self.low, smooth((down - 0.55) / 0.45))
        }
    }
}

fn smooth(part: f32) -> f32 {
    let part = part.clamp(0.0, 1.0);
    part * part * (3.0 - 2.0 * part)
}

/// Where such things are found when the prompt does not say.
fn usual_land(things: &[Thing]) -> Option<Land> {
    match things.first()? {
        Thing::Lighthouse => Some(Land::Sea),
        Thing::Rocket => Some(Land::Space),
        Thing::Robot => Some(Land::City),
        Thing::Cat | Thing::House | Thing::Flowers | Thing::Tree | Thing::Balloon => Some(Land::Hills),
        Thing::Birds | Thing::Boat => None,
    }
}

/// What the words name, in the table's order; a plural names the same.
fn every<T: Copy>(table: &[(T, &str)], words: &[&str]) -> impl Iterator<Item = T> {
    let is_named = |names: &str| {
        names.split(' ').any(|name| words.iter().any(|word| *word == name || word.strip_suffix('s') == Some(name)))
    };
    table.iter().filter(move |(_, names)| is_named(names)).map(|(what, _)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_land_hour_and_things() {
        for (prompt, land, hour, things) in [
            ("Sailing boats at sunset", Land::Sea, Hour::Dusk, vec![Thing::Boat]),
            ("A lighthouse, by NIGHT!", Land::Sea, Hour::Night, vec![Thing::Lighthouse]),
            ("two boats on a lake in the mountains at noon", Land::Sea, Hour::Day, vec![Thing::Boat]),
            ("snow on a cottage at dawn", Land::Snow, Hour::Dawn, vec![Thing::House]),
        ] {
            let scene = Scene::read(prompt);
            assert_eq!((scene.land, scene.hour, scene.things), (land, hour, things), "{prompt}");
        }
    }

    #[test]
    fn words_are_whole_words() {
        assert_eq!(Scene::read("a concatenated boathouse").things, []);
    }

    #[test]
    fn a_named_colour_colours_the_thing_or_else_the_sky() {
        assert_eq!(Scene::read("a red house at noon").sky.top, Sky::at(Hour::Day).top);
        assert_ne!(Scene::read("something red at noon").sky.top, Sky::at(Hour::Day).top);
    }
}

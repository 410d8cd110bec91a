//! Axes: from values to pixels, and where the ticks go.

/// One axis of a figure.
#[derive(Clone, Debug)]
pub(super) struct PlotAxis {
    /// Value at `start`.
    pub low: f64,
    /// Value at `end`.
    pub high: f64,
    /// Pixel of `low`.
    pub start: f64,
    /// Pixel of `high`.
    pub end: f64,
    /// Equal steps are equal ratios.
    pub log: bool,
    /// Ticks are whole numbers.
    pub whole: bool,
}

impl PlotAxis {
    /// Pixel of a value.
    pub fn at(&self, value: f64) -> f64 {
        let share = if self.log {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.start + share * (self.end - self.start)
    }

    fn inside(&self, value: f64) -> bool {
        // A tick may sit on the very edge in spite of rounding.
        let slack = 1e-9 * (self.high - self.low);
        value >= self.low - slack && value <= self.high + slack
    }

    /// Labelled ticks with their texts, at least `apart` pixels from each other.
    pub fn ticks(&self, apart: f64) -> Vec<(f64, String)> {
        if self.log {
            let ticks = self.log_ticks(apart);
            if ticks.len() > 1 {
                return ticks
                    .into_iter()
                    .map(|value| (value, plain(value)))
                    .collect();
            }
        }
        let room = ((self.end - self.start).abs() / apart).floor().max(1.0);
        let step = nice_step((self.high - self.low) / room);
        let step = if self.whole { step.ceil() } else { step };
        let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
        // 2.5 needs one digit more than its power of ten says.
        let digits = if (step * 10f64.powi(decimals as i32)).fract() > 1e-6 {
            decimals + 1
        } else {
            decimals
        };
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last)
            .map(|index| index as f64 * step)
            .filter(|&value| !self.log || value > 0.0)
            .map(|value| (value, format!("{value:.digits$}")))
            .collect()
    }

    /// Small ticks between the labelled ones of a logarithmic axis.
    pub fn minor_ticks(&self) -> Vec<f64> {
        if self.log {
            self.multiples(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])
        } else {
            Vec::new()
        }
    }

    /// The finest familiar series that leaves room for the labels.
    fn log_ticks(&self, apart: f64) -> Vec<f64> {
        let series: [&[f64]; 3] = [
            &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
            &[1.0, 2.5, 5.0],
            &[1.0],
        ];
        series
            .iter()
            .map(|steps| self.multiples(steps))
            .find(|ticks| {
                ticks
                    .windows(2)
                    .all(|pair| (self.at(pair[1]) - self.at(pair[0])).abs() >= apart)
            })
            .unwrap_or_default()
    }

    /// Multiples of powers of ten within the axis.
    fn multiples(&self, steps: &[f64]) -> Vec<f64> {
        let first = self.low.log10().floor() as i32;
        let last = self.high.log10().ceil() as i32;
        (first..=last)
            .flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)))
            .filter(|&value| self.inside(value))
            .collect()
    }
}

/// The smallest of 1, 2, 2.5, 5 times a power of ten that is not below `least`.
fn nice_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0]
        .iter()
        .map(|factor| factor * power)
        .find(|&step| step >= least * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

/// A number without the dust of binary fractions.
fn plain(value: f64) -> String {
    let rounded: f64 = format!("{value:.6e}").parse().unwrap_or(value);
    rounded.to_string()
}

//! Statistics against textbooks, the table's words and columns, and that plots are whole and repeatable.

use secateur::report::{
    ArmInfo, Reference, Summary, TableOptions, accuracy_plots, curve_plots, dense_arms,
    paired_difference, table, table_json,
};
use secateur::store::{CurveRow, RunRow};

fn arm(name: &str, control_of: Option<&str>) -> ArmInfo {
    ArmInfo {
        name: name.into(),
        control_of: control_of.map(str::to_owned),
    }
}

fn arms() -> Vec<ArmInfo> {
    vec![
        arm("mask from MNIST", None),
        arm("shuffled", Some("mask from MNIST")),
        arm("dense", None),
    ]
}

fn pair(name: &str, value: impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}

/// Accuracy falls with sparsity, differs by arm, and wobbles with the seed.
fn rows(seeds: u32) -> Vec<RunRow> {
    let mut rows = Vec::new();
    for (index, arm) in arms().into_iter().enumerate() {
        let sparsities: &[f64] = if arm.name == "dense" {
            &[0.0]
        } else {
            &[0.5, 0.9]
        };
        for &sparsity in sparsities {
            for seed in 0..seeds {
                let density = 1.0 - sparsity;
                let swept = sparsity > 0.0;
                rows.push(RunRow {
                    arm: arm.name.clone(),
                    seed,
                    point: if swept {
                        vec![pair("sparsity", sparsity)]
                    } else {
                        vec![]
                    },
                    settings: vec![pair("dataset", "fashion-mnist")],
                    target_density: swept.then_some(density),
                    density,
                    effective_density: density,
                    test_accuracy: 92.0 - index as f64 - 2.0 * sparsity
                        + 0.1 * f64::from(seed * (index as u32 + 1)),
                    test_loss: 0.25,
                    ..RunRow::default()
                });
            }
        }
    }
    rows
}

fn close(left: f64, right: f64, within: f64) {
    assert!((left - right).abs() <= within, "{left} is not {right}");
}

#[test]
fn t_quantiles_are_the_textbook_ones() {
    for (n, t) in [
        (2, 12.706),
        (3, 4.303),
        (5, 2.776),
        (10, 2.262),
        (31, 2.042),
        (121, 1.980),
    ] {
        let values: Vec<f64> = (0..n).map(|index| f64::from(index * index % 7)).collect();
        let summary = Summary::of(&values).unwrap();
        let standard_error = summary.sd.unwrap() / f64::from(n).sqrt();
        close(summary.half_width_95.unwrap() / standard_error, t, 5e-4);
    }
}

#[test]
fn summaries_are_right_and_one_run_has_no_interval() {
    let summary = Summary::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
    close(summary.mean, 5.0, 1e-12);
    close(summary.sd.unwrap(), (32.0f64 / 7.0).sqrt(), 1e-12);
    assert_eq!((summary.n, summary.min, summary.max), (8, 2.0, 9.0));
    let one = Summary::of(&[3.0]).unwrap();
    assert_eq!(
        (one.sd, one.half_width_95, one.interval_95()),
        (None, None, None)
    );
    assert_eq!(Summary::of(&[]), None);
    let equal = Summary::of(&[1.0; 4]).unwrap();
    assert_eq!(equal.interval_95(), Some((1.0, 1.0)));
    let diverged = Summary::of(&[1.0, f64::NAN]).unwrap();
    assert!(diverged.mean.is_nan() && diverged.min.is_nan() && diverged.max.is_nan());
}

#[test]
fn differences_are_paired_over_shared_seeds() {
    let values = [(0, 91.0), (1, 92.0), (2, 93.5), (7, 0.0)];
    let reference = [(2, 92.5), (0, 90.5), (1, 91.0), (9, 50.0)];
    let summary = paired_difference(&values, &reference).unwrap();
    assert_eq!(summary.n, 3);
    close(summary.mean, (0.5 + 1.0 + 1.0) / 3.0, 1e-12);
    // sd of 0.5, 1, 1 is 1 / sqrt(12); t(0.975, 2) = 4.3027
    close(summary.half_width_95.unwrap(), 4.302_653 / 6.0, 1e-6);
    assert_eq!(paired_difference(&values, &[(4, 1.0)]), None);
}

#[test]
fn the_table_says_what_was_measured() {
    let text = table("Does it help?", &rows(3), &arms(), &TableOptions::default());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "Does it help?");
    let find = |part: &str| *lines.iter().find(|line| line.starts_with(part)).unwrap();
    let first: Vec<&str> = find("mask from MNIST").split_whitespace().collect();
    assert_eq!(
        first,
        [
            "mask", "from", "MNIST", "0.5", "3", "91.10", "±", "0.10", "[90.85,", "91.35]",
            "50.00", "50.00", "0"
        ]
    );
    let shuffled = find("shuffled");
    // Differences -1, -0.9, -0.8: mean -0.9, half width 4.303 * 0.1 / sqrt(3) = 0.25.
    assert!(shuffled.contains("-0.90 [-1.15, -0.65]"), "{shuffled}");
    assert!(find("dense").contains("100.00"));
    assert!(
        find("dense").contains("not paired"),
        "the first arm has two sweep points"
    );
    assert!(text.contains("minus \"mask from MNIST\""));
    assert!(
        !text.contains("fashion-mnist"),
        "a setting that never varies is no column"
    );
    assert!(!text.contains("VIOLATIONS"));
    assert!(lines.iter().all(|line| line.chars().count() <= 120));
    // Rows come in the experiment's order, whatever order runs finished in.
    let mut shuffled_rows = rows(3);
    shuffled_rows.rotate_left(6);
    let again = table(
        "Does it help?",
        &shuffled_rows,
        &arms(),
        &TableOptions::default(),
    );
    let place = |text: &str, part: &str| text.find(part).unwrap();
    assert!(place(&again, "\nmask from MNIST") < place(&again, "\nshuffled"));
    assert!(place(&again, "\nshuffled") < place(&again, "\ndense"));
}

/// 98 % of MNIST minus 92 % of Fashion-MNIST is not six points of anything.
#[test]
fn accuracies_of_two_datasets_are_not_subtracted() {
    let on = |dataset: &str| {
        let mut rows = rows(3);
        for row in rows.iter_mut().filter(|row| row.arm == "dense") {
            row.settings = vec![("dataset".to_owned(), dataset.to_owned())];
        }
        for row in rows.iter_mut().filter(|row| row.arm != "dense") {
            row.settings = vec![("dataset".to_owned(), "fashion-mnist".to_owned())];
        }
        let options = TableOptions {
            reference: Reference::Arm("dense".into()),
            ..TableOptions::default()
        };
        table("t", &rows, &arms(), &options)
    };
    assert!(!on("fashion-mnist").contains("not paired"));
    let two = on("mnist");
    let unpaired = two.lines().filter(|line| line.contains("fashion-mnist"));
    assert_eq!(unpaired.clone().count(), 4, "{two}");
    for line in unpaired {
        assert!(line.contains("not paired"), "{two}");
    }
}

#[test]
fn the_reference_can_be_chosen() {
    let options = TableOptions {
        reference: Reference::Arm("dense".into()),
        ..TableOptions::default()
    };
    let text = table("t", &rows(3), &arms(), &options);
    assert!(
        !text.contains("not paired"),
        "dense depends on no axis, so it pairs with all\n{text}"
    );
    assert!(text.contains("minus \"dense\""));
    let several = vec![
        arm("dense", None),
        arm("mask from MNIST", None),
        arm("shuffled", Some("mask from MNIST")),
    ];
    let text = table("t", &rows(3), &several, &TableOptions::default());
    assert!(
        text.contains("a minus \"dense\", b minus \"mask from MNIST\""),
        "{text}"
    );
}

#[test]
fn one_seed_shows_no_interval_and_violations_are_loud() {
    let mut one = rows(1);
    one[0].mask_violations = 3;
    one[0].density = 0.000_123;
    let text = table("t", &one, &arms(), &TableOptions::default());
    let first = text
        .lines()
        .find(|line| line.starts_with("mask from MNIST"))
        .unwrap();
    assert!(first.contains("n = 1") && !first.contains('±'), "{first}");
    assert!(
        text.contains("0.0123"),
        "small densities keep three digits\n{text}"
    );
    assert!(text.contains("MASK VIOLATIONS: 3"), "{text}");
    assert!(table("t", &[], &arms(), &TableOptions::default()).contains("no finished runs"));
}

#[test]
fn long_names_wrap_and_varying_densities_show_their_range() {
    let mut rows = rows(2);
    let long =
        "a mask that was learned on MNIST and then moved to another dataset without any change";
    for row in rows.iter_mut().filter(|row| row.arm == "mask from MNIST") {
        row.arm = long.into();
        row.density += 0.001 * f64::from(row.seed);
        row.effective_density = row.density;
    }
    let arms = [
        arm(long, None),
        arm("shuffled", Some(long)),
        arm("dense", None),
    ];
    let options = TableOptions {
        width: 110,
        ..TableOptions::default()
    };
    let text = table("t", &rows, &arms, &options);
    let body = text.split("\n\ntest accuracy").next().unwrap();
    assert!(
        body.lines().all(|line| line.chars().count() <= 110),
        "{text}"
    );
    assert!(text.contains("50.00..50.10"), "{text}");
}

#[test]
fn the_json_table_has_all_numbers() {
    let value = table_json("t", &rows(3), &arms(), &Reference::Own);
    let groups = value["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 5);
    assert_eq!(groups[0]["point"]["sparsity"], "0.5");
    assert_eq!(groups[0]["seeds"], serde_json::json!([0, 1, 2]));
    close(
        groups[2]["difference"]["mean"].as_f64().unwrap(),
        -0.9,
        1e-9,
    );
    assert_eq!(groups[2]["reference"], "mask from MNIST");
    assert!(groups[4]["target_density"].is_null());
    let mut diverged = rows(1);
    diverged[0].test_loss = f64::NAN;
    let value = table_json("t", &diverged, &arms(), &Reference::Own);
    assert!(value["groups"][0]["test_loss"]["mean"].is_null());
    assert!(value["groups"][0]["test_accuracy"]["interval_95"].is_null());
}

#[test]
fn accuracy_plots_are_whole_repeatable_and_one_per_other_axis() {
    let plots = accuracy_plots("Does it <help> & how?", &rows(3), &arms()).unwrap();
    assert_eq!(plots.len(), 1);
    assert_eq!(plots[0].name, "accuracy");
    assert!(plots[0].svg.starts_with("<svg") && plots[0].svg.trim_end().ends_with("</svg>"));
    assert!(
        plots[0].svg.contains("&lt;help&gt; &amp; how?"),
        "text is escaped"
    );
    for text in [
        "test accuracy (%)",
        "mask from MNIST",
        "over 3 seeds",
        "50 %",
        "100 %",
    ] {
        assert!(plots[0].svg.contains(text), "{text}");
    }
    let image = image::load_from_memory(&plots[0].png).unwrap();
    assert_eq!(image.width(), 1600);
    assert_eq!(
        plots,
        accuracy_plots("Does it <help> & how?", &rows(3), &arms()).unwrap()
    );

    let mut swept = Vec::new();
    for target in ["kmnist", "fashion-mnist"] {
        for mut row in rows(2) {
            row.point.push(pair("target", target));
            swept.push(row);
        }
    }
    let names: Vec<String> = accuracy_plots("t", &swept, &arms())
        .unwrap()
        .into_iter()
        .map(|plot| plot.name)
        .collect();
    assert_eq!(
        names,
        ["accuracy-target=kmnist", "accuracy-target=fashion-mnist"]
    );
}

/// One plot where the axis is the densities that came of it, though all were asked for the same or none was.
#[test]
fn an_axis_that_sets_densities_is_the_x_axis_whatever_was_asked() {
    let swept = |asked: Option<f64>, densities: [f64; 2]| {
        let mut rows = rows(2);
        rows.retain(|row| row.arm != "shuffled");
        for row in rows.iter_mut().filter(|row| row.target_density.is_some()) {
            let more = row.point == [pair("sparsity", "0.5")];
            row.target_density = asked;
            row.density = densities[usize::from(more)];
        }
        let plots = accuracy_plots("t", &rows, &arms()).unwrap();
        plots.into_iter().map(|p| p.name).collect::<Vec<_>>()
    };
    let apart = ["accuracy-sparsity=0.5", "accuracy-sparsity=0.9"];
    for asked in [None, Some(0.25)] {
        assert_eq!(swept(asked, [0.1, 0.5]), ["accuracy"], "{asked:?}");
        // Weights that decide the density differ a little whatever the axis.
        assert_eq!(swept(asked, [0.1, 0.102]), apart, "{asked:?}");
    }
}

#[test]
fn plots_stand_unusual_results() {
    let dense: Vec<RunRow> = rows(2)
        .into_iter()
        .filter(|row| row.arm == "dense")
        .collect();
    assert_eq!(accuracy_plots("t", &dense, &arms()).unwrap(), []);
    assert_eq!(dense_arms(&rows(2)), ["dense"]);
    assert_eq!(accuracy_plots("t", &[], &[]).unwrap(), []);
    // One run; all the same accuracy; a diverged one; names in no alphabet of the font.
    let mut odd: Vec<RunRow> = rows(1).into_iter().take(2).collect();
    odd[0].test_accuracy = f64::NAN;
    odd[1].arm = "剪枝 ✂".into();
    assert_eq!(accuracy_plots("", &odd, &[]).unwrap().len(), 1);
    odd[0].test_accuracy = 0.0;
    odd[1].test_accuracy = 0.0;
    odd[1].density = 0.0;
    assert_eq!(
        accuracy_plots(&"very long title ".repeat(40), &odd, &arms())
            .unwrap()
            .len(),
        1
    );
    odd[0].density = 1e-9;
    assert_eq!(accuracy_plots("t", &odd, &arms()).unwrap().len(), 1);
}

fn curves(validated: bool) -> Vec<CurveRow> {
    let mut curves = Vec::new();
    for arm in arms() {
        for train_step in 0..2 {
            for seed in 0..3 {
                for epoch in 1..=4 {
                    curves.push(CurveRow {
                        arm: arm.name.clone(),
                        seed,
                        point: if arm.name == "dense" {
                            vec![]
                        } else {
                            vec![pair("sparsity", 0.9)]
                        },
                        train_step,
                        epoch,
                        train_loss: 2.0 / f64::from(epoch + seed),
                        validation_accuracy: validated
                            .then(|| 80.0 + f64::from(epoch + seed + 2 * train_step)),
                        ..CurveRow::default()
                    });
                }
            }
        }
    }
    curves
}

#[test]
fn curves_show_validation_accuracy_or_else_training_loss() {
    let dense = ["dense".to_owned()];
    let plots = curve_plots("t", &curves(true), &arms(), &dense).unwrap();
    assert_eq!(plots.len(), 1, "dense joins the only sweep point");
    assert_eq!(plots[0].name, "curves-sparsity=0.9");
    assert!(plots[0].svg.contains("validation accuracy (%)"));
    assert!(plots[0].svg.contains("dense"));
    assert_eq!(
        plots,
        curve_plots("t", &curves(true), &arms(), &dense).unwrap()
    );
    let plots = curve_plots("t", &curves(false), &arms(), &dense).unwrap();
    assert!(plots[0].svg.contains("training loss"));
    let mut short = curves(true);
    short.retain(|row| row.epoch == 1);
    assert_eq!(curve_plots("t", &short, &arms(), &dense).unwrap(), []);
    let mut diverged = curves(false);
    for row in &mut diverged {
        row.train_loss = f64::NAN;
    }
    assert_eq!(curve_plots("t", &diverged, &arms(), &dense).unwrap(), []);
}

/// Two arms with an axis each: every plot has a value of both, and no mean is over several points of an arm.
#[test]
fn curves_of_arms_with_axes_of_their_own_are_not_averaged_over_points() {
    let mut rows = curves(false);
    rows.retain(|row| row.arm != "shuffled" || row.seed < 2);
    for row in rows.iter_mut().filter(|row| row.arm == "shuffled") {
        row.point = vec![pair("lambda", 0.001)];
    }
    let sparser: Vec<CurveRow> = rows
        .iter()
        .filter(|row| row.arm == "mask from MNIST")
        .map(|row| CurveRow {
            point: vec![pair("sparsity", 0.99)],
            ..row.clone()
        })
        .collect();
    rows.extend(sparser);
    let plots = curve_plots("t", &rows, &arms(), &["dense".to_owned()]).unwrap();
    let names: Vec<&str> = plots.iter().map(|plot| plot.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "curves-sparsity=0.9-lambda=0.001",
            "curves-sparsity=0.99-lambda=0.001"
        ]
    );
    for plot in &plots {
        assert!(plot.svg.contains("over 2 to 3 seeds"), "{}", plot.svg);
        for arm in arms() {
            assert!(
                plot.svg.contains(&arm.name),
                "{} in {}",
                arm.name,
                plot.name
            );
        }
    }
}

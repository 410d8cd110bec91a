//! Folders of images as datasets: what is decoded, what is kept in the cache, and what is said of bad ones.

use crate::common::{picture, save_image};
use image::{GrayImage, ImageFormat, Luma};
use secateur::data::{DataError, Dataset, ImageFolder, load_folder, training_size_of_described};
use secateur::spec::{
    DatasetOrigin, DatasetSpec, FolderSpec, ImageRule, OnBadImage, Resize, TestImages, TestShare,
};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Two classes of four training and two test images, 8 rows of 8.
fn folder() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (class, name) in ["ant", "bee"].into_iter().enumerate() {
        for (split, count) in [("train", 4), ("test", 2)] {
            for number in 0..count {
                let path = root.path().join(format!("{split}/{name}/{number}.png"));
                save_image(&path, &picture(8, 8, class as u8, number), ImageFormat::Png);
            }
        }
    }
    root
}

const RULE: ImageRule = ImageRule {
    channels: 3,
    height: 8,
    width: 8,
    resize: Resize::Stretch,
    background: [255; 3],
};

fn spec(root: &TempDir, rule: ImageRule, on_bad_image: OnBadImage) -> FolderSpec {
    let found = ImageFolder::look(root.path()).unwrap();
    let share = TestShare {
        test_share: 0.25,
        split_seed: 0,
    };
    FolderSpec {
        folder: root.path().to_path_buf(),
        classes: found.classes(),
        train: found.train,
        test: found
            .test
            .map_or(TestImages::Share(share), TestImages::Folder),
        rule,
        on_bad_image,
    }
}

fn load(root: &TempDir, rule: ImageRule) -> Dataset {
    load_folder("insects", &spec(root, rule, OnBadImage::Error), None).unwrap()
}

#[test]
fn classes_and_files_are_in_the_order_of_their_names() {
    let root = folder();
    // Neither folders nor files that begin with a dot, nor files that are no images, count.
    fs::create_dir(root.path().join("train/.thumbnails")).unwrap();
    fs::write(root.path().join("train/ant/notes.txt"), "x").unwrap();
    fs::write(root.path().join("train/README"), "x").unwrap();
    save_image(
        &root.path().join("train/ant/10.PNG"),
        &picture(8, 8, 0, 5),
        ImageFormat::Png,
    );
    let data = load(&root, RULE);
    assert_eq!(data.class_names, ["ant", "bee"]);
    assert_eq!(data.train.labels, [0, 0, 0, 0, 0, 1, 1, 1, 1]);
    assert_eq!(data.test.labels, [0, 0, 1, 1]);
    assert_eq!((data.channels, data.height, data.width), (3, 8, 8));
    // "10.PNG" comes after "1.png" would not hold for numbers: bytes decide, and '.' is before '0'.
    let blue: Vec<u8> = (0..5).map(|i| data.train.images[i * 192 + 128]).collect();
    assert_eq!(blue, [0, 40, 200, 80, 120]);
    for y in 0..8 {
        for x in 0..8 {
            assert_eq!(data.train.images[y * 8 + x], (16 * y + x) as u8);
        }
    }
    assert!(data.skipped.is_empty());
    assert_eq!(data.left_out, [(".txt".to_string(), 1)].into());
    assert_eq!(
        data.warnings,
        ["insects: left out 1 entry that is no image: 1 .txt"]
    );
}

#[test]
fn grey_and_other_sizes_follow_the_rule() {
    let root = tempfile::tempdir().unwrap();
    for split in ["train", "test"] {
        let path = root.path().join(split).join("one/a.png");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // 4 rows of 12: the left third 0, the middle 120, the right 240.
        GrayImage::from_fn(12, 4, |x, _| Luma([(x / 4 * 120) as u8]))
            .save(&path)
            .unwrap();
    }
    let rule = |channels, resize, height, width| ImageRule {
        channels,
        height,
        width,
        resize,
        background: [255; 3],
    };
    // The middle square is all that is left.
    for channels in [1, 3] {
        let data = load(&root, rule(channels, Resize::Crop, 4, 4));
        assert_eq!(data.train.images, vec![120; channels * 16]);
    }
    // As it is.
    let data = load(&root, rule(1, Resize::Crop, 4, 12));
    assert_eq!(
        data.train.images[..12],
        [0, 0, 0, 0, 120, 120, 120, 120, 240, 240, 240, 240]
    );
    // Everything is still there, in order, and in the middle still the middle.
    let data = load(&root, rule(1, Resize::Stretch, 4, 3));
    let row = &data.train.images[..3];
    assert!(row[0] < 60 && row[1] == 120 && row[2] > 180, "{row:?}");
    // Up to 8 rows, of which the 8 middle columns of 24 stay.
    let data = load(&root, rule(1, Resize::Crop, 8, 8));
    assert_eq!(data.train.images[3..5], [120, 120]);
}

#[test]
fn jpeg_and_png_of_one_class_load_together_and_digests_tell_them_apart() {
    let root = folder();
    let before = load(&root, RULE).digest;
    let path = root.path().join("train/bee/3.jpeg");
    save_image(&path, &picture(20, 14, 1, 3), ImageFormat::Jpeg);
    let data = load(&root, RULE);
    assert_eq!(data.train.len(), 9);
    assert_ne!(data.digest, before);
    // Twice the same bits, however many threads decode.
    let again = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap()
        .install(|| load(&root, RULE));
    assert_eq!(again.digest, data.digest);
}

#[test]
fn a_bad_image_is_named_with_the_way_out_or_left_out_and_counted() {
    let whole = {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let image = picture(64, 48, 1, 3);
        image.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
        bytes.into_inner()
    };
    // Sound, but scaled to fill the shape it would have a quarter of a billion pixels.
    let thin = {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let image = GrayImage::from_pixel(1, 1 << 22, Luma([9]));
        image.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    };
    let png = fs::read(folder().path().join("train/ant/0.png")).unwrap();
    let bad = [
        ("bad.jpg", whole[..whole.len() / 2].to_vec()),
        ("bad.jpg", whole[..whole.len() - 2].to_vec()),
        ("bad.jpeg", b"no image at all".to_vec()),
        ("bad.png", png[..png.len() / 2].to_vec()),
        ("bad.png", Vec::new()),
        ("thin.png", thin),
    ];
    for (name, bytes) in bad {
        let root = folder();
        let place = format!("train/bee/{name}");
        let rule = ImageRule {
            resize: Resize::Crop,
            ..RULE
        };
        fs::write(root.path().join(&place), bytes).unwrap();
        let strict = spec(&root, rule, OnBadImage::Error);
        let error = load_folder("insects", &strict, None).map(drop).unwrap_err();
        assert!(matches!(error, DataError::BadImage { .. }), "{error}");
        let message = error.to_string();
        let path = root
            .path()
            .join("train/bee")
            .join(name)
            .display()
            .to_string();
        assert!(message.contains(&path), "{message}");
        assert!(message.contains("on_bad_image = \"skip\""), "{message}");

        let lenient = spec(&root, rule, OnBadImage::Skip);
        let data = load_folder("insects", &lenient, None).unwrap();
        assert_eq!(data.skipped, [place]);
        assert!(
            data.warnings[0].contains("1 of 13 images"),
            "{:?}",
            data.warnings
        );
        // What is left is what would be there without it.
        assert_eq!(data.digest, load(&folder(), RULE).digest);
    }
}

#[test]
fn what_is_wrong_with_a_folder_is_said() {
    let problem = |change: &dyn Fn(&Path)| {
        let root = folder();
        change(root.path());
        let found = ImageFolder::look(root.path());
        found
            .and_then(|found| found.check(&found.classes()))
            .unwrap_err()
    };
    let without_train = problem(&|root| fs::remove_dir_all(root.join("train")).unwrap());
    assert!(
        without_train.contains("it holds test/ but no train/"),
        "{without_train}"
    );
    let more = problem(&|root| fs::create_dir(root.join("train/cat")).unwrap());
    assert!(
        more.contains("\"cat\" is in train/ but not in test/"),
        "{more}"
    );
    let more = problem(&|root| fs::create_dir(root.join("test/cat")).unwrap());
    assert!(
        more.contains("\"cat\" is in test/ but not in train/"),
        "{more}"
    );

    let root = folder();
    let spec = spec(&root, RULE, OnBadImage::Skip);
    for number in 0..2 {
        fs::remove_file(root.path().join(format!("test/bee/{number}.png"))).unwrap();
    }
    let error = load_folder("insects", &spec, None).map(drop).unwrap_err();
    assert!(error.to_string().contains("test/bee holds no"), "{error}");
}

/// A file whose link leads nowhere was once an image: it is a bad one, not one that never was.
#[cfg(unix)]
#[test]
fn a_dangling_link_counts_as_a_bad_image_until_it_is_mended() {
    let (root, cache) = (folder(), tempfile::tempdir().unwrap());
    let link = root.path().join("train/bee/4.png");
    let target = root.path().join("elsewhere.png");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let get = |rule| load_folder("insects", &spec(&root, RULE, rule), Some(cache.path()));

    let error = get(OnBadImage::Error).map(drop).unwrap_err();
    assert!(matches!(error, DataError::BadImage { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains(&link.display().to_string()), "{message}");
    assert!(message.contains("on_bad_image = \"skip\""), "{message}");

    // Twice: decoded, and from the cache.
    for _ in 0..2 {
        let data = get(OnBadImage::Skip).unwrap();
        assert_eq!(data.skipped, ["train/bee/4.png"]);
        assert!(data.warnings[0].contains("1 of 13"), "{:?}", data.warnings);
        assert_eq!(data.digest, load(&folder(), RULE).digest);
    }
    save_image(&target, &picture(8, 8, 1, 4), ImageFormat::Png);
    for rule in [OnBadImage::Error, OnBadImage::Skip] {
        let data = get(rule).unwrap();
        assert_eq!((data.train.len(), data.skipped.len()), (9, 0));
    }
}

/// In both splits, so that no difference between them gives it away.
#[cfg(unix)]
#[test]
fn a_class_whose_link_leads_nowhere_is_an_error() {
    let root = folder();
    let classes = || ImageFolder::look(root.path()).map(|found| found.classes());
    for split in ["train", "test"] {
        let link = root.path().join(split).join("cat");
        std::os::unix::fs::symlink(root.path().join("elsewhere"), link).unwrap();
    }
    let problem = classes().unwrap_err();
    let link = root.path().join("train/cat").display().to_string();
    assert!(problem.contains(&link), "{problem}");
    assert!(problem.contains("mend it, or remove it"), "{problem}");

    fs::create_dir(root.path().join("elsewhere")).unwrap();
    assert_eq!(classes().unwrap(), ["ant", "bee", "cat"]);
}

#[test]
fn the_cache_is_used_while_it_is_sound_and_fresh() {
    let (root, cache) = (folder(), tempfile::tempdir().unwrap());
    fs::write(root.path().join("test/ant/bad.png"), "bad").unwrap();
    let lenient = spec(&root, RULE, OnBadImage::Skip);
    let get = || load_folder("insects", &lenient, Some(cache.path())).unwrap();
    let file = || {
        let entries: Vec<_> = fs::read_dir(cache.path()).unwrap().flatten().collect();
        assert_eq!(entries.len(), 1, "one file for one folder and rule");
        entries[0].path()
    };
    let cold = get();
    let kept = fs::read(file()).unwrap();
    let same = |data: &Dataset| {
        assert_eq!(data.digest, cold.digest);
        assert_eq!((&data.train, &data.test), (&cold.train, &cold.test));
        assert_eq!(
            (&data.skipped, &data.warnings),
            (&cold.skipped, &cold.warnings)
        );
    };
    same(&get());
    assert_eq!(fs::read(file()).unwrap(), kept, "read, not written again");

    // Any damage: decoded again, and put right.
    let step = kept.len() / 97;
    for at in (0..kept.len()).step_by(step) {
        let mut damaged = kept.clone();
        damaged[at] ^= 0x20;
        fs::write(file(), &damaged).unwrap();
        same(&get());
        assert_eq!(fs::read(file()).unwrap(), kept, "byte {at}");
    }
    for cut in [0, 1, kept.len() / 2, kept.len() - 1] {
        fs::write(file(), &kept[..cut]).unwrap();
        same(&get());
    }
    fs::write(file(), [&kept[..], b"x"].concat()).unwrap();
    same(&get());

    // Proof that it is used: what nobody would decode from these files, with a checksum that fits.
    let pixel = root.path().join("train/ant/0.png");
    let (length, changed) = {
        let meta = fs::metadata(&pixel).unwrap();
        (meta.len(), meta.modified().unwrap())
    };
    fs::write(&pixel, vec![0; length as usize]).unwrap();
    fs::File::options()
        .write(true)
        .open(&pixel)
        .unwrap()
        .set_modified(changed)
        .unwrap();
    same(&get());
    // A file that changed in size or time is decoded again.
    fs::write(&pixel, "bad").unwrap();
    assert_eq!(get().skipped, ["train/ant/0.png", "test/ant/bad.png"]);
}

/// Images under `root`/`place`/CLASS: so many of each class, of one brightness.
fn add(root: &TempDir, place: &str, classes: &[(&str, u8, u8)]) {
    for &(class, count, brightness) in classes {
        for number in 0..count {
            let path = root
                .path()
                .join(place)
                .join(format!("{class}/{number}.png"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            GrayImage::from_pixel(8, 8, Luma([brightness + number]))
                .save(&path)
                .unwrap();
        }
    }
}

/// Which training and test images there are, by the byte that each is made of.
fn split_of(data: &Dataset) -> [Vec<u8>; 2] {
    [&data.train, &data.test].map(|split| split.images.chunks(192).map(|image| image[0]).collect())
}

#[test]
fn without_test_images_a_share_of_each_class_is_held_out() {
    for place in ["", "train"] {
        let root = tempfile::tempdir().unwrap();
        add(&root, place, &[("a", 20, 0), ("b", 9, 100), ("c", 1, 200)]);
        let data = load(&root, RULE);
        let [train, test] = split_of(&data);
        // A quarter of each, rounded; the only image of a class is for training.
        assert_eq!(data.train.labels.iter().filter(|&&l| l == 0).count(), 15);
        assert_eq!(data.test.labels, [0, 0, 0, 0, 0, 1, 1]);
        let mut all = [&train[..], &test].concat();
        all.sort();
        assert_eq!(
            all,
            (0..20).chain(100..109).chain([200]).collect::<Vec<u8>>()
        );
        let said = data.warnings.join("\n");
        assert!(
            said.contains("25 % of each class are the test set, 7 of 30"),
            "{said}"
        );
        assert!(
            said.contains("no test image of the class \"c\" is left"),
            "{said}"
        );
        // Another seed holds out others; one more file moves few.
        let other = FolderSpec {
            test: TestImages::Share(TestShare {
                test_share: 0.25,
                split_seed: 1,
            }),
            ..spec(&root, RULE, OnBadImage::Error)
        };
        let seeded = load_folder("insects", &other, None).unwrap();
        assert_ne!(split_of(&seeded)[1], test);
        add(&root, place, &[("a", 21, 0)]);
        let [_, more] = split_of(&load(&root, RULE));
        let gone = test.iter().filter(|image| !more.contains(image)).count();
        assert!(gone <= 1, "{test:?}, then {more:?}");
    }
}

#[test]
fn validation_images_are_the_test_set_where_there_is_no_other() {
    let root = tempfile::tempdir().unwrap();
    add(&root, "train", &[("a", 3, 0), ("b", 3, 100)]);
    add(&root, "val", &[("a", 2, 50), ("b", 1, 150)]);
    assert_eq!(split_of(&load(&root, RULE))[1], [50, 51, 150]);
    add(&root, "test", &[("a", 1, 60), ("b", 1, 160)]);
    assert_eq!(split_of(&load(&root, RULE))[1], [60, 160]);
}

#[test]
fn every_format_counts_and_every_other_entry_is_accounted_for() {
    let root = folder();
    let classes = root.path().join("train/ant");
    let whole = picture(8, 8, 0, 0);
    for (ending, format) in [
        ("webp", ImageFormat::WebP),
        ("bmp", ImageFormat::Bmp),
        ("GIF", ImageFormat::Gif),
        ("tif", ImageFormat::Tiff),
        ("tiff", ImageFormat::Tiff),
        ("jfif", ImageFormat::Jpeg),
        ("jpe", ImageFormat::Jpeg),
    ] {
        save_image(&classes.join(format!("more.{ending}")), &whole, format);
    }
    for name in [
        "notes.txt",
        "labels.txt",
        "photo.HEIC",
        "LICENSE",
        ".DS_Store",
    ] {
        fs::write(classes.join(name), "x").unwrap();
    }
    fs::create_dir(classes.join("deeper")).unwrap();
    let data = load(&root, RULE);
    assert_eq!(data.train.len(), 8 + 7);
    let counts = [
        (".heic", 1),
        (".txt", 2),
        ("folder", 1),
        ("hidden", 1),
        ("without an ending", 1),
    ];
    let counts = counts.map(|(why, count)| (why.to_string(), count));
    assert_eq!(data.left_out, counts.into());
    assert!(
        data.warnings[0].contains("6 entries that are no images: 1 .heic, 2 .txt"),
        "{:?}",
        data.warnings
    );
    // Lossless ones have the pixels of the PNG; in the order of their names, after 0.png to 3.png.
    let images: Vec<&[u8]> = data.train.images.chunks(192).collect();
    for (name, at) in [
        ("GIF", 4),
        ("bmp", 5),
        ("tif", 8),
        ("tiff", 9),
        ("webp", 10),
    ] {
        // 64 greens and blues are more than a palette of 256 colours needs.
        assert_eq!(images[at], images[0], "{name}");
    }
}

#[test]
fn only_the_classes_asked_for_are_demanded() {
    let root = folder();
    fs::create_dir(root.path().join("train/empty")).unwrap();
    fs::create_dir_all(root.path().join("train/__MACOSX/ant")).unwrap();
    let found = ImageFolder::look(root.path()).unwrap();
    assert_eq!(found.classes(), ["ant", "bee", "empty"]);
    let two = ["bee".to_string(), "ant".to_string()];
    found.check(&two).unwrap();
    assert!(found.check(&found.classes()).is_err());
    let chosen = FolderSpec {
        test: TestImages::Folder("test".to_string()),
        classes: two.to_vec(),
        train: "train".to_string(),
        folder: root.path().to_path_buf(),
        rule: RULE,
        on_bad_image: OnBadImage::Error,
    };
    let data = load_folder("insects", &chosen, None).unwrap();
    assert_eq!(data.class_names, two);
    // Samples stay in the order of the names; labels are those of the list.
    assert_eq!(data.test.labels, [1, 1, 0, 0]);
    let one = FolderSpec {
        classes: two[..1].to_vec(),
        ..chosen
    };
    let data = load_folder("insects", &one, None).unwrap();
    assert!(
        data.warnings[0].contains("only class"),
        "{:?}",
        data.warnings
    );
}

#[test]
fn a_class_that_skipping_empties_is_named() {
    let root = folder();
    for number in 0..2 {
        fs::write(root.path().join(format!("test/bee/{number}.png")), "bad").unwrap();
    }
    let data = load_folder("insects", &spec(&root, RULE, OnBadImage::Skip), None).unwrap();
    let said = data.warnings.join("\n");
    assert!(
        said.contains("no test image of the class \"bee\" is left"),
        "{said}"
    );
}

/// A JPEG of 8 rows of 8, white above and black below, that says how it is to be turned.
fn turned(orientation: u8) -> Vec<u8> {
    let image = GrayImage::from_fn(8, 8, |_, y| Luma([if y < 4 { 255 } else { 0 }]));
    let mut jpeg = std::io::Cursor::new(Vec::new());
    image.write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
    let jpeg = jpeg.into_inner();
    // An APP1 segment: "Exif", then a big-endian TIFF of one entry, 0x0112, a short.
    let tiff = [
        &b"MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00"[..],
        &[orientation, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    let body = [&b"Exif\x00\x00"[..], &tiff].concat();
    let length = (body.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &body, &jpeg[2..]].concat()
}

#[test]
fn turns_noted_in_exif_are_made() {
    // Whether the corners are white: top left, top right, bottom left. EXIF 2.32, section 4.6.5.
    for (orientation, corners) in [
        (1, [true, true, false]),
        (3, [false, false, true]),
        (4, [false, false, true]),
        (6, [false, true, false]),
        (8, [true, false, true]),
    ] {
        let root = folder();
        fs::write(root.path().join("train/ant/0.png"), turned(orientation)).unwrap();
        let data = load(&root, RULE);
        let white = [0, 7, 56].map(|at| data.train.images[at] > 127);
        assert_eq!(white, corners, "orientation {orientation}");
    }
}

#[test]
fn transparent_pixels_lie_on_the_background() {
    let root = folder();
    // Red at each alpha of a row.
    let image = image::RgbaImage::from_fn(8, 8, |x, _| image::Rgba([200, 0, 0, (x * 36) as u8]));
    image.save(root.path().join("train/ant/0.png")).unwrap();
    for background in [[255; 3], [0, 100, 7]] {
        let data = load(&root, ImageRule { background, ..RULE });
        for x in 0..8 {
            let alpha = (x * 36) as f64 / 255.0;
            for (channel, own) in [200.0, 0.0, 0.0].into_iter().enumerate() {
                let want = alpha * own + (1.0 - alpha) * f64::from(background[channel]);
                let got = f64::from(data.train.images[channel * 64 + x]);
                assert!(
                    (got - want).abs() <= 0.5,
                    "{x}, {channel}: {got} for {want}"
                );
            }
        }
    }
}

#[test]
fn images_are_counted_without_decoding_where_none_may_be_left_out() {
    let root = folder();
    fs::write(root.path().join("train/ant/0.png"), "not an image").unwrap();
    let count = |on_bad_image| {
        let origin = DatasetOrigin::Folder(spec(&root, RULE, on_bad_image));
        training_size_of_described(&DatasetSpec {
            origin,
            classes: None,
        })
    };
    assert_eq!(count(OnBadImage::Error), Some(8));
    assert_eq!(count(OnBadImage::Skip), None);
}

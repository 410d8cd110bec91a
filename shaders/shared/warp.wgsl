// How augmentation bends one sample: the source of place p (x right, y down) is [xx xy; yx yy] (p - shift - centre) + centre.
// Twin: Warp in src/train/augment.rs.
struct Warp {
    xx: f32,
    xy: f32,
    yx: f32,
    yy: f32,
    shift_x: f32, // pixels
    shift_y: f32,
    cut_x: f32,   // the middle of the square that is cut out
    cut_y: f32,
}

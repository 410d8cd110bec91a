// Some floats of a unit in the flat parameters: `outer` times `len` neighbours, `stride` apart. Twin: UnitRun in src/train/units.rs.
struct UnitRun {
    start: u32,
    outer: u32,
    stride: u32,
    len: u32,
}

// Where an invocation of a register tile stands: 32 of them in a workgroup, lanes along the vec4s of samples.
// Wide, a workgroup owns one row of tiles, and 32 COLS vec4s of it: what depends on the tile alone, weights above all, is known to be the
// same for the workgroup, and compilers load it once. Narrow, workgroups go on from one row of tiles to the next.
const WIDE: u32 = 0u; // 1: vec4s of samples for whole workgroups
struct Spread {
    tile: u32,   // row of tiles
    column: u32, // first vec4 of samples
    apart: u32,  // from one vec4 to the next: neighbouring invocations own neighbouring ones
}

// `number` is the workgroup's.
fn spread(number: u32, local: u32) -> Spread {
    if WIDE == 1u {
        let blocks = (u.columns + 32u * COLS - 1u) / (32u * COLS);
        return Spread(number / blocks, (number % blocks) * 32u * COLS + local, 32u);
    }
    let flat = number * 32u + local;
    let apart = (u.columns + COLS - 1u) / COLS;
    return Spread(flat / apart, flat % apart, apart);
}

// Products through workgroup memory: sum[r][c] += weights[k][r] samples[k][c], terms k ascending, one fma each.
// 16 x 16 invocations own 16 ROWS rows x 16 COLS vec4s of samples. They load DEPTH terms of both factors together, each a few vec4s,
// and the next ones while they multiply; each multiplies for its own ROWS rows (a multiple of 4) and COLS vec4s, which stand 16 apart.
// The kernel says what is loaded:
//   struct Tile                                          where it stands
//   fn weights_at(tile, term, quad: u32) -> vec4<f32>    of rows 4 quad to 4 quad + 3 of the tile
//   fn samples_at(tile, term, column: u32) -> vec4<f32>  of column of the tile
//   const ALONG_TERMS: bool                              whether neighbouring weights in memory are neighbouring terms, or rows
const DEPTH: u32 = 16u;
const LEFT: u32 = ROWS * 4u;   // vec4s of rows per term
const RIGHT: u32 = COLS * 16u; // vec4s of samples per term
const LEFT_LOADS: u32 = LEFT * DEPTH / 256u;
const RIGHT_LOADS: u32 = RIGHT * DEPTH / 256u;
var<workgroup> left: array<vec4<f32>, DEPTH * LEFT>;
var<workgroup> right: array<vec4<f32>, DEPTH * RIGHT>;

fn product(sum: ptr<function, array<vec4<f32>, ROWS * COLS>>, tile: Tile, terms: u32, local: u32) {
    var weights: array<vec4<f32>, LEFT_LOADS>;
    var samples: array<vec4<f32>, RIGHT_LOADS>;
    for (var first = 0u; first < terms + DEPTH; first += DEPTH) {
        if first > 0u {
            for (var l = 0u; l < LEFT_LOADS; l++) {
                let e = local + 256u * l;
                left[select(e, e % DEPTH * LEFT + e / DEPTH, ALONG_TERMS)] = weights[l];
            }
            for (var l = 0u; l < RIGHT_LOADS; l++) { right[local + 256u * l] = samples[l]; }
            workgroupBarrier();
        }
        // Terms past the last are loaded as the last, and not multiplied.
        if first < terms {
            for (var l = 0u; l < LEFT_LOADS; l++) {
                let e = local + 256u * l;
                let term = first + select(e / LEFT, e % DEPTH, ALONG_TERMS);
                weights[l] = weights_at(tile, min(term, terms - 1u), select(e % LEFT, e / DEPTH, ALONG_TERMS));
            }
            for (var l = 0u; l < RIGHT_LOADS; l++) {
                let e = local + 256u * l;
                samples[l] = samples_at(tile, min(first + e / RIGHT, terms - 1u), e % RIGHT);
            }
        }
        if first > 0u {
            multiply(sum, local / 16u, local % 16u, min(DEPTH, terms + DEPTH - first));
            workgroupBarrier();
        }
    }
}

// A whole tile's loop has a bound that compilers can count on.
fn multiply(sum: ptr<function, array<vec4<f32>, ROWS * COLS>>, row: u32, column: u32, depth: u32) {
    if depth == DEPTH {
        for (var k = 0u; k < DEPTH; k++) { multiply_term(sum, row, column, k); }
    } else {
        for (var k = 0u; k < depth; k++) { multiply_term(sum, row, column, k); }
    }
}

fn multiply_term(sum: ptr<function, array<vec4<f32>, ROWS * COLS>>, row: u32, column: u32, k: u32) {
    var xs: array<vec4<f32>, COLS>;
    for (var c = 0u; c < COLS; c++) { xs[c] = right[k * RIGHT + column + 16u * c]; }
    for (var q = 0u; q < ROWS / 4u; q++) {
        let w = left[k * LEFT + row * (ROWS / 4u) + q];
        for (var c = 0u; c < COLS; c++) {
            (*sum)[4u * q * COLS + c] = fma(vec4<f32>(w.x), xs[c], (*sum)[4u * q * COLS + c]);
            (*sum)[(4u * q + 1u) * COLS + c] = fma(vec4<f32>(w.y), xs[c], (*sum)[(4u * q + 1u) * COLS + c]);
            (*sum)[(4u * q + 2u) * COLS + c] = fma(vec4<f32>(w.z), xs[c], (*sum)[(4u * q + 2u) * COLS + c]);
            (*sum)[(4u * q + 3u) * COLS + c] = fma(vec4<f32>(w.w), xs[c], (*sum)[(4u * q + 3u) * COLS + c]);
        }
    }
}

// The rows of a quad of the tile, none past the last.
fn rows_of(quad: u32, first_row: u32, rows: u32) -> vec4<u32> {
    return min(vec4<u32>(first_row + 4u * quad) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(rows - 1u));
}

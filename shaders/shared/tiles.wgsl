// Products through workgroup memory. 16 x 16 invocations own 16 ROWS rows x 16 COLS vec4s of samples; they load DEPTH terms of
// both factors together, and each multiplies them for its own ROWS rows and COLS vec4s, which stand 16 apart.
const DEPTH: u32 = 8u;
const LEFT: u32 = 4u * ROWS + 1u; // vec4s of rows per term: 1 more than there are, so that neighbouring terms lie in other banks
const RIGHT: u32 = 16u * COLS;    // vec4s of samples per term
var<workgroup> left: array<vec4<f32>, DEPTH * LEFT>;
var<workgroup> right: array<vec4<f32>, DEPTH * RIGHT>;

// sum[r][c] += left[k][r] right[k][c] for the first `depth` terms k in order, one fma each.
fn multiply(sum: ptr<function, array<vec4<f32>, ROWS * COLS>>, row: u32, column: u32, depth: u32) {
    for (var k = 0u; k < depth; k++) {
        var xs: array<vec4<f32>, COLS>;
        for (var c = 0u; c < COLS; c++) { xs[c] = right[k * RIGHT + column + 16u * c]; }
        for (var q = 0u; q < ROWS / 4u; q++) {
            let weights = left[k * LEFT + row * (ROWS / 4u) + q];
            for (var c = 0u; c < COLS; c++) {
                (*sum)[4u * q * COLS + c] = fma(vec4<f32>(weights.x), xs[c], (*sum)[4u * q * COLS + c]);
                (*sum)[(4u * q + 1u) * COLS + c] = fma(vec4<f32>(weights.y), xs[c], (*sum)[(4u * q + 1u) * COLS + c]);
                (*sum)[(4u * q + 2u) * COLS + c] = fma(vec4<f32>(weights.z), xs[c], (*sum)[(4u * q + 2u) * COLS + c]);
                (*sum)[(4u * q + 3u) * COLS + c] = fma(vec4<f32>(weights.w), xs[c], (*sum)[(4u * q + 3u) * COLS + c]);
            }
        }
    }
}

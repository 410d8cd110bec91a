// x[r][f][b] = byte(index[r][b'], f) * scale[channel] + shift[channel]; 0 in slots past the batch's end. Slot b of the window is
// slot b' = 4 first_column + b of the batch.
// scale = 1 / (255 std), shift = -mean / std. One invocation owns four features (one word of bytes) of four samples.
// Images too large for one binding lie in parts of whole samples, and this runs once for each part, in order: the first
// writes every slot, 0 where the sample lies in a later part; each later one writes the slots of its own samples alone.
#import grid
struct Gather {
    features: u32, // per sample
    words: u32,    // of bytes per sample
    plane: u32,    // features per channel
    columns: u32,  // vec4s of samples
    first_column: u32,  // in the batch
    batch_columns: u32, // of the whole batch
    first: u32,    // sample of this part
    samples: u32,  // in this part
}
@group(0) @binding(0) var<uniform> u: Gather;
@group(0) @binding(1) var<storage, read> images: array<u32>; // [sample - first][words]
@group(0) @binding(2) var<storage, read> scales: array<vec2<f32>>; // (scale, shift) per channel
@group(0) @binding(3) var<storage, read> index: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> x: array<vec4<f32>>;

// Of the sample with number `local` in this part.
fn word_of(local: u32, word: u32) -> u32 {
    if local >= u.samples { return 0u; }
    return images[local * u.words + word];
}

@compute @workgroup_size(64)
fn batch_gather(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>,
                @builtin(local_invocation_index) local: u32) {
    let flat = flat_index(group, groups, 64u, local);
    if flat >= u.words * u.columns { return; }
    let column = flat % u.columns;
    let word = flat / u.columns;
    // Samples of other parts, and the 0xffffffff of empty slots, wrap past the end.
    let samples = index[group.z * u.batch_columns + u.first_column + column] - vec4<u32>(u.first);
    let here = samples < vec4<u32>(u.samples);
    if u.first != 0u && !any(here) { return; }
    let bytes = vec4<u32>(word_of(samples.x, word), word_of(samples.y, word),
                          word_of(samples.z, word), word_of(samples.w, word));
    let f0 = word * 4u;
    for (var k = 0u; k < 4u; k++) {
        if f0 + k >= u.features { break; }
        let value = vec4<f32>((bytes >> vec4<u32>(k * 8u)) & vec4<u32>(255u));
        let affine = scales[(f0 + k) / u.plane];
        let scaled = fma(value, vec4<f32>(affine.x), vec4<f32>(affine.y));
        let place = (group.z * u.features + f0 + k) * u.columns + column;
        var before = vec4<f32>();
        if u.first != 0u { before = x[place]; }
        x[place] = select(before, scaled, here);
    }
}

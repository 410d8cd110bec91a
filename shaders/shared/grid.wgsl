// The flat index of this invocation within its replica (grid z). Undoes the fold of `groups_for` in src/gpu/program.rs.
fn flat_index(group: vec3<u32>, groups: vec3<u32>, size: u32, local: u32) -> u32 {
    return (group.y * groups.x + group.x) * size + local;
}

//! Structs that kernels and the host share: declared in WGSL and in Rust, and compared while the Rust compiles.

use super::kernels::STRUCTS;

/// A struct that shaders know under the same name; `shader_struct!` declares one.
pub trait ShaderStruct: bytemuck::Pod {
    /// The name.
    const NAME: &'static str;
}

/// Declares a struct that shaders know under the same name. It compiles only while its fields are those of the WGSL struct: the
/// same names and types in the same order.
macro_rules! shader_struct {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$doc:meta])* pub $field:ident: $kind:ident,)* }) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
        pub struct $name { $($(#[$doc])* pub $field: $kind,)* }

        impl $crate::gpu::ShaderStruct for $name {
            const NAME: &'static str = stringify!($name);
        }

        const _: () = assert!(
            $crate::gpu::is_in_shaders(
                stringify!($name),
                &[$((stringify!($field), stringify!($kind))),*],
            ),
            concat!("no shader has a struct ", stringify!($name), " with these fields in this order")
        );
    };
}
pub(crate) use shader_struct;

/// Whether shaders have a struct of this name with these fields: (name, type), in this order.
pub(crate) const fn is_in_shaders(name: &str, fields: &[(&str, &str)]) -> bool {
    let mut i = 0;
    while i < STRUCTS.len() {
        if same(STRUCTS[i].0, name) {
            return same_fields(STRUCTS[i].1, fields);
        }
        i += 1;
    }
    false
}

/// The names of a shader struct's fields, in order.
pub(super) fn fields_of(name: &str) -> impl Iterator<Item = &'static str> {
    let found = STRUCTS.iter().find(|(struct_name, _)| *struct_name == name);
    found
        .into_iter()
        .flat_map(|(_, fields)| fields.iter().map(|(field, _)| *field))
}

const fn same_fields(a: &[(&str, &str)], b: &[(&str, &str)]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() {
        if !same(a[i].0, b[i].0) || !same(a[i].1, b[i].1) {
            return false;
        }
        i += 1;
    }
    a.len() == b.len()
}

/// `==`, which constants cannot ask yet.
const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_count_in_name_type_and_order() {
        let (count, relu) = (("count", "u32"), ("relu", "u32"));
        assert!(is_in_shaders("AddShape", &[count, relu]));
        assert!(!is_in_shaders("AddShape", &[relu, count]));
        assert!(!is_in_shaders("AddShape", &[count]));
        assert!(!is_in_shaders("AddShape", &[count, relu, relu]));
        assert!(!is_in_shaders("AddShape", &[count, ("relu", "f32")]));
        assert!(!is_in_shaders("AddShape", &[count, ("rel", "u32")]));
        assert!(!is_in_shaders("Add", &[count, relu]));
    }
}

//! Attacks the rule that a transform has no network: a component of the right
//! exports that imports `lockgate:connector/http` besides. It must be refused
//! at load, by the name of that import, before any of it runs.

#[cfg(target_arch = "wasm32")]
#[expect(
    unsafe_code,
    reason = "generated: the calling convention of components needs raw memory"
)]
mod bindings {
    wit_bindgen::generate!({
        inline: "
            package lockgate-tests:nosy;

            world nosy {
                include lockgate:connector/transform@0.2.0;
                import lockgate:connector/http@0.2.0;
            }
        ",
        path: "../../../wit",
        generate_all,
        default_bindings_module: "crate::bindings",
    });

    use super::guest::Plugin;

    export!(Plugin);
}

#[cfg(target_arch = "wasm32")]
mod guest;

//! Attacks the versioning of the contract: a transform of `lockgate:connector`
//! 0.9.0, which does not exist. It must be refused at load with an error that
//! names the version found and the one supported.

#[cfg(target_arch = "wasm32")]
#[expect(
    unsafe_code,
    reason = "generated: the calling convention of components needs raw memory"
)]
mod bindings {
    wit_bindgen::generate!({
        inline: "
            package lockgate:connector@0.9.0;

            interface log {
                enum level { debug, info, warn, error }
                write: func(level: level, message: string, fields: list<tuple<string, string>>);
            }

            interface batches {
                record setting-problem { pointer: string, message: string }
                record description { summary: string, settings-schema: string }
                record batch { object: string, records: list<u8> }
                variant verdict { keep, drop, reject(string) }
                record outcome { records: list<u8>, verdicts: list<verdict> }
                variant error { malformed(string), unsupported-object, failed(string) }
                describe: func() -> description;
                configure: func(settings: string) -> result<_, list<setting-problem>>;
                apply: func(input: batch) -> result<outcome, error>;
            }

            world transform {
                import log;
                export batches;
            }
        ",
        default_bindings_module: "crate::bindings",
    });

    use super::guest::Plugin;

    export!(Plugin);
}

#[cfg(target_arch = "wasm32")]
mod guest;

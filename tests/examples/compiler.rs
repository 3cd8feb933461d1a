//! All that a program needs to compile packages for hosts which name it as their
//! `Compiler`.

fn main() -> std::process::ExitCode {
    lockgate::compile_helper()
}

//! Packages that nobody trusted has signed, compiled in a process of their own: what they
//! do to the compiler stays there, and what that process does is told.

use std::fmt::Write as _;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use lockgate::{CompileLimit, Compiler, Error, Host, Package, PackageError, SigningKey, Transform};
use lockgate_tests::handmade::{component, transform, transform_manifest};
use lockgate_tests::logs::Logs;
use lockgate_tests::packages::package;
use lockgate_tests::sandbox::TestHost;
use serde_json::json;
use tempfile::TempDir;

use crate::attack::{batch, is_pending, still_serves};

/// The compiler that the tests are built with.
fn compiler() -> Compiler {
    Compiler::new(env!("CARGO_BIN_EXE_compiler"))
}

/// A line of shell in place of a compiler.
fn shell(line: &str) -> Compiler {
    Compiler {
        arguments: vec!["-c".into(), line.into()],
        ..Compiler::new("/bin/sh")
    }
}

/// A host with this compiler, whose compiled code is its own.
async fn host(compiler: Compiler) -> (TestHost, TempDir) {
    let code = tempfile::tempdir().unwrap();
    let host = TestHost::with(|builder| {
        let builder = builder.compile_apart(compiler);
        builder.code_dir(code.path())
    });
    (host.await, code)
}

/// A transform with a function in which so many values live through so many loops. What
/// a compiler has to know of it grows with their product: for 10,000 of each it takes
/// minutes and gigabytes.
fn bomb(values: usize, loops: usize) -> Package {
    let mut function = String::from("(func (param i32) (result i64)");
    function.push_str(&" (local i64)".repeat(values));
    for value in 1..=values {
        write!(function, " (local.set {value} (i64.load (local.get 0)))").unwrap();
    }
    for number in 0..loops {
        let value = 1 + number % values;
        write!(
            function,
            " (loop (local.set {value} (i64.add (local.get {value}) (i64.const 1)))
                (br_if 0 (i64.eqz (local.get {value}))))"
        )
        .unwrap();
    }
    function.push_str(" i64.const 0");
    for value in 1..=values {
        write!(function, " (i64.xor (local.get {value}))").unwrap();
    }
    function.push(')');
    transform("bomb", &function, "")
}

/// Why a package was not loaded.
async fn refused(host: &Host, package: &Package) -> PackageError {
    match host.load(package, package.asked_grants()).await {
        Err(Error::Package(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// A transform that was there before, of a tenant of its own.
async fn neighbour(host: &TestHost) -> Transform {
    host.load(&package("hostile-transform").vouched()).await;
    host.transform("hostile-transform", &json!({ "do": "echo" }))
        .await
        .unwrap()
}

/// What a host says of a component that went over a limit, and that it goes on: the
/// neighbour's next call works, and so does the next package.
async fn is_over(limit: CompileLimit, compiler: Compiler, allowed_then: &str) {
    let (host, _code) = host(compiler).await;
    let neighbour = neighbour(&host).await;
    let refusal = refused(&host, &bomb(10_000, 10_000)).await;
    let PackageError::TooCostly {
        limit: found,
        allowed,
        ..
    } = &refusal
    else {
        panic!("{refusal:?}");
    };
    assert_eq!((*found, allowed.as_str()), (limit, allowed_then));
    let told = format!("bomb: compiling it takes more than {allowed_then}");
    assert!(refusal.to_string().starts_with(&told), "{refusal}");
    assert!(refusal.to_string().contains("lockgate package sign DIR"));
    let records = batch(3);
    let echo = neighbour.apply("Contact", &records).await.unwrap();
    assert_eq!(echo.records, records);
    assert!(host.transform("bomb", &json!({})).await.is_err());
    host.load(&transform("sound", "", "")).await;
    host.transform("sound", &json!({})).await.unwrap();
}

#[tokio::test]
async fn a_component_that_takes_the_compiler_forever_is_given_up_and_the_host_goes_on() {
    let compiler = Compiler {
        cpu: Duration::from_secs(1),
        memory_bytes: 8 * 1024 * 1024 * 1024,
        ..compiler()
    };
    is_over(CompileLimit::Cpu, compiler, "1 s of CPU time").await;
}

// Other systems do not hold the limit.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_component_that_takes_all_memory_to_compile_is_given_up_and_the_host_goes_on() {
    let compiler = Compiler {
        memory_bytes: 128 * 1024 * 1024,
        ..compiler()
    };
    is_over(CompileLimit::Memory, compiler, "128 MiB of memory").await;
}

#[tokio::test]
async fn a_compiler_that_never_answers_is_ended_at_the_wall_clocks_limit() {
    let compiler = Compiler {
        wall: Duration::from_millis(100),
        ..shell("exec /bin/sleep 1000")
    };
    let (host, _code) = host(compiler).await;
    let refusal = refused(&host, &transform("p", "", "")).await;
    assert!(
        matches!(
            &refusal,
            PackageError::TooCostly {
                limit: CompileLimit::Wall,
                ..
            }
        ),
        "{refusal:?}"
    );
    assert!(
        refusal.to_string().contains("more than 100ms of time"),
        "{refusal}"
    );
    host.load(&package("hostile-transform").vouched()).await;
    still_serves(&host).await;
}

#[tokio::test]
async fn calls_are_served_while_a_package_is_compiled_and_who_gives_up_ends_the_compiler() {
    let pipe = tempfile::tempdir().unwrap();
    let told = pipe.path().join("pid");
    let made = std::process::Command::new("mkfifo").arg(&told).status();
    assert!(made.unwrap().success());
    let line = format!("echo $$ > '{}'; exec /bin/sleep 1000", told.display());
    let (host, _code) = host(shell(&line)).await;
    let neighbour = neighbour(&host).await;
    let theirs = transform("p", "", "");
    // One thread for everything: what held it would hold the calls.
    let pid = {
        let mut load = pin!(host.host.load(&theirs, []));
        let pid = tokio::task::spawn_blocking(move || std::fs::read_to_string(told).unwrap());
        let pid = tokio::select! {
            outcome = &mut load => panic!("{outcome:?}"),
            pid = pid => pid.unwrap(),
        };
        for _ in 0..10 {
            assert!(is_pending(load.as_mut()).await);
            neighbour.apply("Contact", &batch(3)).await.unwrap();
        }
        pid
    };
    // The load was dropped.
    let status = Path::new("/proc").join(pid.trim()).join("stat");
    let is_at_work = || match std::fs::read_to_string(&status) {
        Ok(text) => !text.contains(") Z "),
        Err(_) => false,
    };
    while cfg!(target_os = "linux") && is_at_work() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn calls_are_served_while_a_package_is_compiled_within_the_process() {
    let code = tempfile::tempdir().unwrap();
    let host = TestHost::with(|builder| builder.code_dir(code.path())).await;
    let neighbour = neighbour(&host).await;
    // Seconds of work, and no more.
    let slow = bomb(500, 500);
    let mut load = pin!(host.host.load(&slow, []));
    let records = batch(3);
    let mut served = 0;
    loop {
        let call = neighbour.apply("Contact", &records);
        tokio::select! {
            biased;
            outcome = &mut load => break outcome.unwrap(),
            call = call => drop(call.unwrap()),
        }
        served += 1;
    }
    assert!(served > 0);
}

#[tokio::test]
async fn a_compiler_that_does_not_do_its_work_is_told_by_what_it_did() {
    let directory = tempfile::tempdir().unwrap();
    let answers = |line: &str| shell(&format!("exec >&1; /bin/cat > /dev/null; {line}"));
    // Sound code of another engine, as it would be answered.
    let sound = transform("p", "", "");
    let engine = wasmtime::Engine::default();
    let code = engine.precompile_component(sound.component()).unwrap();
    let answer = directory.path().join("answer");
    let whole = [format!("{{\"code\":{}}}\n", code.len()).as_bytes(), &code].concat();
    std::fs::write(&answer, whole).unwrap();
    let cat = |first: &str| answers(&format!("{first} '{}'", answer.display()));
    // The true compiler, which is told something else than the host has said.
    let mistold = |change: &str| {
        let compiler = env!("CARGO_BIN_EXE_compiler");
        shell(&format!(
            "(IFS= read -r line; echo \"$line\" | /bin/sed '{change}'; /bin/cat) | '{compiler}'"
        ))
    };
    for (compiler, expected) in [
        (
            mistold("s/\"is_counting\":false/\"is_counting\":true/"),
            "compiles for another engine than this host",
        ),
        (
            mistold("s/settings/wishes/"),
            "and said: this is no task of a host",
        ),
        (
            mistold("s/\"component_bytes\":/&1/"),
            "and said: the host has gone",
        ),
        (
            Compiler::new("/nowhere/at/all"),
            "cannot start /nowhere/at/all: ",
        ),
        (Compiler::new(directory.path()), "cannot start "),
        // It may not read its task, either.
        (shell("exit 3"), "exit status: 3"),
        (shell("kill -9 $$"), "signal: 9"),
        (shell("echo no idea >&2; exit 1"), "and said: no idea"),
        // Nothing of the host's surroundings comes along.
        (
            shell("echo \"[$HOME][$CARGO_PKG_NAME][$PWD]\" >&2; exit 1"),
            "and said: [][][/]",
        ),
        (answers("echo hello"), "its answer makes no sense"),
        (answers(":"), "its answer makes no sense"),
        (
            answers("echo '{\"code\":100}'; echo short"),
            "its answer makes no sense",
        ),
        (
            answers("echo '{\"code\":4}'; printf code"),
            "failed to parse precompiled artifact",
        ),
        (cat("/usr/bin/head -c 3000"), "its answer makes no sense"),
        (cat("/bin/cat"), "Module was compiled"),
        (
            answers("echo '{\"other-engine\":\"9.9.9\"}'"),
            "it is of lockgate 9.9.9 and compiles for another engine",
        ),
    ] {
        let (host, _code) = host(compiler.clone()).await;
        let refusal = refused(&host, &sound).await;
        assert!(
            matches!(&refusal, PackageError::CompilerFailed { .. }),
            "{compiler:?}: {refusal:?}"
        );
        let told = refusal.to_string();
        assert!(
            told.starts_with("p: not compiled") && told.contains(expected),
            "{told}"
        );
        host.load(&sound.clone().vouched()).await;
        host.transform("p", &json!({})).await.unwrap();
    }
    let code = tempfile::tempdir().unwrap();
    let relative = Host::builder().data_dir(code.path());
    let relative = relative.compile_apart(Compiler::new("compiler")).build();
    let refusal = relative.await.unwrap_err();
    assert!(matches!(&refusal, Error::Options(_)), "{refusal:?}");
    assert!(
        refusal
            .to_string()
            .contains("`compiler` is not named by an absolute path")
    );
}

#[tokio::test]
async fn a_compiler_of_its_own_says_the_same_of_a_component_as_the_one_within() {
    let (apart, _code) = host(compiler()).await;
    let within = TestHost::new().await;
    let exported = r#"(instance $i) (export "lockgate:connector/batches@0.2.0" (instance $i))"#;
    let of = |fields: &str| {
        let manifest = transform_manifest("p");
        component(&manifest, &format!("(component {fields} {exported})"))
    };
    let module = "(core module $m (memory 1) (memory 1)) (core instance (instantiate $m))";
    let wrong = "(core module (func (result i32) (i64.const 0)))";
    for fields in [module, wrong, ""] {
        let package = of(fields);
        let (told, expected) = (
            refused(&apart, &package).await,
            refused(&within, &package).await,
        );
        assert_eq!(told.to_string(), expected.to_string());
    }
}

#[tokio::test]
async fn what_was_compiled_apart_runs_in_each_engine_and_is_kept_as_what_was_compiled_within() {
    let directory = tempfile::tempdir().unwrap();
    let files = || std::fs::read_dir(directory.path()).unwrap().count();
    let signer = SigningKey::generate().unwrap();
    let theirs = [transform("p", "", ""), package("careless-connector")];
    // Neither engine, with or without counting, needs the compiler a second time; and who
    // is trusted never does.
    for compiler in [compiler(), Compiler::new("/nowhere")] {
        for counts in [false, true] {
            let host = TestHost::with(|builder| {
                let builder = match counts {
                    true => builder.count_instructions(),
                    false => builder,
                };
                let builder = builder.code_dir(directory.path()).trust(signer.public());
                builder.compile_apart(compiler.clone())
            });
            let host = host.await;
            for package in &theirs {
                host.load(package).await;
            }
            let transform = host.transform("p", &json!({})).await.unwrap();
            let usage = transform.warm().await.unwrap().usage();
            assert_eq!(usage.instructions.is_some(), counts);
            let signed = transform_signed(&signer);
            host.load(&signed).await;
            host.transform("signed", &json!({})).await.unwrap();
        }
        assert_eq!(files(), 6);
    }
}

/// A transform that somebody trusted has signed.
fn transform_signed(signer: &SigningKey) -> Package {
    let package = transform("signed", "", "nop");
    let signature = signer.sign(&package);
    package.with_signature(signature)
}

#[tokio::test]
async fn a_host_without_a_compiler_says_that_it_compiles_strangers_within() {
    let logs = Logs::capture();
    let code = tempfile::tempdir().unwrap();
    let host = TestHost::with(|builder| builder.code_dir(code.path())).await;
    let told = || logs.text().matches("HostBuilder::compile_apart").count();
    host.load(&transform("p", "", "").vouched()).await;
    assert_eq!(told(), 0);
    // The code of these bytes is there, and compiling them again is not needed.
    host.load(&transform("p", "", "")).await;
    assert_eq!(told(), 0);
    host.load(&transform("p", "", "nop")).await;
    assert_eq!(told(), 1);
}

//! The kernel's jail around the process.

use serde_json::json;

use crate::process::{Service, command, run};
use crate::sample::sample;

/// Where the kernel can do it, a service that requires it answers and may
/// gain no rights; where it cannot, it does not start.
#[test]
fn a_required_sandbox_is_there_or_the_service_does_not_start() {
    let sample = sample();
    let (repository, _) = &*sample;
    let argument = format!("one={}", repository.path().display());
    let settings = [("GIT_SANDBOX", "require")];
    let (code, out, err) = run(command(&settings).args(["--repo", &argument, "--self-test"]));
    if code == Some(2) {
        assert!(err.contains("GIT_SANDBOX=require, but"), "{err}");
        return;
    }
    assert_eq!(code, Some(0), "{out}{err}");
    let service = Service::with(&[("one", repository.path())], &settings);
    assert_eq!(service.call("git_log", json!({}))["repo"], "one");
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
}

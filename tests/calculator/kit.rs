//! The kit with tools that misbehave.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use scopegate::clock::Clock;
use scopegate::secret::Secret;
use scopegate::toolkit::{
    Annotations, CallContext, Definition, Descriptor, Fault, Limits, Service, Tool, ToolError,
    ToolOutput, serve_on,
};
use serde_json::{Value, json};

use crate::http::{Connection, Response};
use crate::process::SECRET;

/// What a tool of these tests does when it is called.
type Act = fn(Value, &CallContext) -> Result<ToolOutput, ToolError>;

struct Acting(&'static str, Act);

impl Tool for Acting {
    fn descriptor(&self) -> Descriptor {
        Descriptor {
            name: self.0,
            title: "A tool of a test",
            description: "Does what the test needs.".into(),
            input_schema: json!({"type": "object"}),
            output_schema: None,
            annotations: Annotations::PURE,
        }
    }

    fn call(&self, arguments: Value, context: &CallContext) -> Result<ToolOutput, ToolError> {
        (self.1)(arguments, context)
    }
}

/// Lets the tool `hold` go on.
static RELEASED: AtomicBool = AtomicBool::new(false);

fn tools() -> Vec<Arc<dyn Tool>> {
    let acts: [(&str, Act); 8] = [
        ("hold", |_, context| {
            while !RELEASED.load(Ordering::Acquire) {
                context.deadline.check()?;
                std::thread::yield_now();
            }
            Ok(ToolOutput::text("held"))
        }),
        ("echo", |arguments, _| ToolOutput::structured(&arguments)),
        ("who", |_, context| {
            ToolOutput::structured(&json!({"user": context.user_id, "request": context.request_id}))
        }),
        ("panic", |_, _| panic!("on purpose")),
        ("spin", |_, context| {
            loop {
                context.deadline.check()?;
                std::hint::spin_loop();
            }
        }),
        ("long", |_, _| Ok(ToolOutput::text(&"x".repeat(101)))),
        ("fail", |_, _| {
            Err(ToolError::Failed { code: -32002, message: "Generation failed".into() })
        }),
        ("broken", |_, _| Err(ToolError::Internal("private detail".into()))),
    ];
    acts.into_iter().map(|(name, act)| Arc::new(Acting(name, act)) as Arc<dyn Tool>).collect()
}

fn definition(tools: Vec<Arc<dyn Tool>>, limits: Limits) -> Definition {
    Definition {
        name: "tool-test",
        title: "Test",
        version: "0",
        instructions: "",
        tools,
        resources: None,
        limits,
        routes: |app| {
            app.route("/panic", actix_web::web::get().to(panicking));
        },
        checks: Vec::new(),
    }
}

/// A route of a service's own that fails outside of any call.
async fn panicking() -> &'static str {
    panic!("on purpose")
}

/// A service of the kit in a thread of this process.
struct Running {
    address: SocketAddr,
    service: Arc<Service>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(limits: Limits) -> Self {
        let definition = definition(tools(), limits);
        let service = Service::new(definition, Some(Secret::new(SECRET)), Clock::system()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let inside = Arc::clone(&service);
        let (ready, is_ready) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let stopped = async {
                    // A dropped sender stops the service just as well.
                    let _ = stopped.await;
                };
                let server = serve_on(&inside, listener, 1, stopped).unwrap();
                ready.send(()).unwrap();
                server.await.unwrap();
            });
        });
        is_ready.recv().unwrap();
        Self { address, service, stop: Some(stop), thread: Some(thread) }
    }

    fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let mut all = vec![("x-gateway-auth", SECRET), ("content-type", "application/json")];
        all.extend_from_slice(headers);
        Connection::open(self.address).send("POST", "/mcp", &all, body)
    }

    fn call_with(&self, headers: &[(&str, &str)], tool: &str, arguments: Value) -> Value {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                             "params": {"name": tool, "arguments": arguments}});
        self.post(headers, message.to_string().as_bytes()).json()
    }

    fn call(&self, tool: &str) -> Value {
        self.call_with(&[], tool, json!({}))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.take();
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking());
        assert_eq!(self.service.calls_at_work(), 0);
    }
}

fn brief() -> Limits {
    Limits { call_timeout: Duration::from_millis(500), ..Limits::default() }
}

#[test]
fn a_panic_is_one_calls_failure() {
    let running = Running::start(Limits::default());
    for _ in 0..5 {
        let reply = running.call("panic");
        assert_eq!(reply["error"], json!({"code": -32603, "message": "Internal error"}));
    }
    assert_eq!(
        running.call_with(&[], "echo", json!({"a": 1}))["result"]["structuredContent"],
        json!({"a": 1})
    );
}

#[test]
fn a_panic_outside_of_a_call_is_one_connections_end() {
    let running = Running::start(Limits::default());
    for _ in 0..5 {
        let mut stream = TcpStream::connect(running.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(b"GET /panic HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        // It may be closed or reset; no answer comes.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{answer:?}");
        assert!(running.call("echo")["result"].is_object());
    }
}

#[test]
fn a_call_that_overruns_stops_and_gives_its_place_back() {
    let running = Running::start(Limits { max_concurrent_calls: 1, ..brief() });
    for _ in 0..2 {
        assert_eq!(running.call("spin")["error"], json!({"code": -32003, "message": "Timeout"}));
        // The one place is free again, or this would time out as well.
        let reply = running.call("echo");
        assert!(reply["result"].is_object(), "{reply}");
    }
}

#[test]
fn calls_beyond_the_number_wait_in_their_own_time() {
    let running = Running::start(Limits { max_concurrent_calls: 2, ..brief() });
    std::thread::scope(|scope| {
        let spinning: Vec<_> = (0..6).map(|_| scope.spawn(|| running.call("spin"))).collect();
        for thread in spinning {
            assert_eq!(thread.join().unwrap()["error"]["code"], -32003);
        }
    });
}

#[test]
fn outputs_have_a_limit() {
    let running = Running::start(Limits { max_output_chars: 100, ..Limits::default() });
    assert_eq!(
        running.call("long")["error"],
        json!({"code": -32602, "message": "output exceeds size limit"})
    );
    assert!(Running::start(Limits::default()).call("long")["result"].is_object());
}

#[test]
fn failures_have_their_code_and_hide_what_is_internal() {
    let running = Running::start(Limits::default());
    assert_eq!(
        running.call("fail")["error"],
        json!({"code": -32002, "message": "Generation failed"})
    );
    let broken = running.call("broken");
    assert_eq!(broken["error"], json!({"code": -32603, "message": "Internal error"}));
}

#[test]
fn a_tool_knows_for_whom_it_works() {
    let running = Running::start(Limits::default());
    let headers = [("x-user-id", "alice"), ("x-request-id", "way-7")];
    let reply = running.call_with(&headers, "who", json!({}));
    assert_eq!(reply["result"]["structuredContent"], json!({"user": "alice", "request": "way-7"}));
    assert_eq!(
        running.call("who")["result"]["structuredContent"],
        json!({"user": null, "request": null})
    );
}

#[test]
fn a_body_that_does_not_arrive_is_given_up() {
    let limits = Limits { body_timeout: Duration::from_millis(100), ..Limits::default() };
    let running = Running::start(limits);
    let mut connection = Connection::open(running.address);
    connection.write(
        format!(
            "POST /mcp HTTP/1.1\r\nhost: test\r\nx-gateway-auth: {SECRET}\r\n\
             content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
        )
        .as_bytes(),
    );
    let reply = connection.read();
    assert_eq!((reply.status, reply.json()), (408, json!({"error": "timeout"})));
}

#[test]
fn a_definition_that_makes_no_service_is_named() {
    let make = |tools, secret: Option<&str>| {
        let definition = definition(tools, Limits::default());
        Service::new(definition, secret.map(Secret::new), Clock::system()).err()
    };
    let twice = [tools(), tools()].concat();
    assert!(matches!(make(twice, None), Some(Fault::DoubledName(_))));
    assert!(matches!(make(tools(), Some("short")), Some(Fault::WeakSecret(_))));
    assert_eq!(make(tools(), None), None);
}

#[test]
fn a_stop_lets_the_calls_at_work_finish() {
    let mut running = Running::start(Limits::default());
    let stop = running.stop.take().unwrap();
    std::thread::scope(|scope| {
        let holding = scope.spawn(|| running.call("hold"));
        let clock = Clock::system();
        while running.service.calls_at_work() == 0 {
            assert!(clock.monotonic() < Duration::from_secs(20), "the call never began");
            std::thread::yield_now();
        }
        stop.send(()).unwrap();
        // The door closes while the call is still held.
        while TcpStream::connect(running.address).is_ok() {
            assert!(clock.monotonic() < Duration::from_secs(20), "the door stays open");
            std::thread::yield_now();
        }
        RELEASED.store(true, Ordering::Release);
        assert_eq!(holding.join().unwrap()["result"]["content"][0]["text"], "held");
    });
}

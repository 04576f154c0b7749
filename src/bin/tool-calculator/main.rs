//! `tool-calculator`: exact decimal arithmetic, statistics, units and expressions
//! as a tool service behind the gateway.

mod arguments;
mod arithmetic;
mod checks;
mod compute;
mod exact;
mod expression;
mod limits;
mod regression;
mod round;
mod scaled;
mod schema;
mod statistics;
mod tools;
mod units;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use scopegate::toolkit::{self, Definition, Environment, Manual, Program};

const NAME: &str = "tool-calculator";
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn main() -> ExitCode {
    toolkit::run(&Program {
        name: NAME,
        version: VERSION,
        listen_variable: "CALCULATOR_LISTEN",
        default_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8001)),
        options: &[],
        limits: limits::RANGES,
        manual: MANUAL,
        define,
    })
}

fn define(environment: &mut Environment) -> Definition {
    let (bounds, limits) = limits::read(environment);
    Definition {
        name: NAME,
        title: "Exact calculator",
        version: VERSION,
        instructions: "Use these tools for every computation whose result matters: they are \
                       exact. Numbers are texts such as \"12.50\"; results come back as texts.",
        tools: tools::all(bounds),
        resources: None,
        limits,
        routes: compute::routes,
        checks: checks::all(),
    }
}

const MANUAL: Manual = Manual {
    about: "Exact decimal arithmetic, statistics, units and expressions as a tool service",
    description: "\
Serves six tools over the Model Context Protocol: exact_calculate,
exact_statistics, exact_convert_units, exact_unit_arithmetic, exact_regression
and exact_evaluate. Numbers are texts of decimal digits. Every result is
computed exactly and rounded once, half to even, to the significant digits the
call asks for; only roots within expressions are rounded on the way.

The service stands behind the gateway: it answers only requests that carry
the shared secret in the header X-Gateway-Auth. It keeps nothing between calls
and reaches no other service.",
    environment: "  \
  MAX_LIST_ITEMS
          Most operands or values, 1 to 10000 [default: 1000]
  MAX_NUMBER_DIGITS
          Most digits of one number, 1 to 1000 [default: 200]
  MAX_PRECISION
          Highest precision, 1 to 1000 significant digits [default: 100]
  DEFAULT_PRECISION
          Precision of calls that name none, 1 to MAX_PRECISION [default: 28]
  MAX_EXPRESSION_CHARS
          Longest expression, 1 to 16384 characters [default: 1000]
  MAX_EXPRESSION_DEPTH
          Deepest nesting of an expression, 1 to 100 [default: 32]
  MAX_EXPRESSION_STEPS
          Most operations of an expression, 1 to 100000 [default: 1000]
  MAX_VARIABLES
          Most variables of an expression, 1 to 1000 [default: 100]
",
    endpoints: "  \
  POST /v1/compute
          A body {\"operation\": ..., \"params\": {...}} with the name of a tool,
          or with arithmetic, statistics, unit, regression or expression, is
          answered with the tool's plain result; needs X-Gateway-Auth
",
    examples: "  \
  TOOL_GATEWAY_SHARED_SECRET_FILE=secret.txt tool-calculator
          Listen on the default address
  curl -s http://127.0.0.1:8001/mcp -H 'content-type: application/json' \\
       -H \"x-gateway-auth: $(cat secret.txt)\" -d '{\"jsonrpc\":\"2.0\",\"id\":1,
       \"method\":\"tools/call\",\"params\":{\"name\":\"exact_calculate\",
       \"arguments\":{\"operator\":\"add\",\"operands\":[\"1.2\",\"2.3\"]}}}'
          Add two numbers",
};

// A parsed template: expressions and statements, and where each name's value lies when they run.
#pragma once

#include "build/template/value.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace cooper::build::jinja {

struct FilterEntry;
struct TestEntry;

/// A variable: which of the enclosing functions holds it (0: the one that runs), and where.
struct Slot {
    std::uint32_t hops = 0;
    std::uint32_t index = 0;
};

enum class ExprKind : std::uint8_t {
    Constant,
    Name,
    Captured,  ///< what a filter block or a set block has put together
    List,
    Tuple,
    Dict,       ///< keys and values in turn
    Attribute,  ///< a.name
    Item,       ///< a[b]
    Slice,      ///< a[b:c:d]; those that are not there are null
    Call,
    Filter,
    Test,
    Not,
    And,
    Or,
    Conditional,  ///< test, then, else (or null)
    Compare,      ///< a, b, c …; `operators` between them
    Concat,       ///< a ~ b ~ c
    Unary,
    Binary,
};

enum class Operator : std::uint8_t {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Modulo,
    Power,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    NotIn,
};

std::string_view to_string(Operator op);

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

/// What stands between the brackets of a call beside plain arguments.
struct CallExtras {
    std::vector<std::pair<std::string, ExprPtr>> named;
    ExprPtr spread;        ///< *list
    ExprPtr spread_named;  ///< **dict
};

struct Expr {
    ExprKind kind = ExprKind::Constant;
    Operator op = Operator::Add;
    bool in_branch = false;  ///< of an `if`: whether a filter is there matters only when it is reached
    unsigned depth = 1;
    std::size_t line = 0;
    Slot slot;
    Value constant;
    std::string name;            ///< of a name, an attribute, a filter, a test
    std::vector<ExprPtr> parts;  ///< a call's callee, a filter's value come first
    std::vector<Operator> operators;
    std::unique_ptr<CallExtras> extras;
    const FilterEntry* filter = nullptr;
    const TestEntry* test = nullptr;
};

/// Calls `visit` with each expression that stands directly in `expr`; with nullptr for an argument that is not there.
template <class Visit>
void each_operand(const Expr& expr, Visit&& visit) {
    for (const auto& part : expr.parts) {
        visit(part.get());
    }
    if (expr.extras) {
        for (const auto& [name, value] : expr.extras->named) {
            visit(value.get());
        }
        visit(expr.extras->spread.get());
        visit(expr.extras->spread_named.get());
    }
}

enum class StmtKind : std::uint8_t {
    Data,
    Print,
    If,
    For,
    Set,
    SetBlock,
    Macro,
    CallBlock,
    FilterBlock,
    With,
    Include,
};

struct Stmt;
using Body = std::vector<std::unique_ptr<Stmt>>;

/// Where a value goes: a name, an attribute of a namespace, or several targets.
struct Target {
    enum class Kind { Name, Attribute, Several } kind = Kind::Name;
    std::string name;
    std::string attribute;
    std::size_t line = 0;
    Slot slot;
    std::vector<Target> several;
};

/// What a variable holds when its scope begins.
struct Load {
    enum class Kind { Parameter, Resolve, Alias, Nothing } kind = Kind::Nothing;
    std::string name;
    Slot slot;
    Slot source;  ///< of Alias
};

/// A scope: its variables and, for an include in it, all names that are set around it.
struct Scope {
    std::vector<Load> loads;
};

/// What is set in a scope, for an include in it; then what is set around it.
struct Visible {
    std::vector<std::pair<std::string, std::uint32_t>> names;
    std::shared_ptr<const Visible> outer;
    bool outer_is_other_function = false;
};

/// What runs with variables of its own: a template, a macro, a filter of a loop, a recursive loop.
struct FunctionPlan {
    std::size_t slots = 0;
    Scope scope;
};

struct Parameter {
    std::string name;
    ExprPtr otherwise;  ///< null: it is undefined when it is not given
    Slot slot;
};

/// A macro, or the body of a call block.
struct MacroPlan {
    std::string name;  ///< empty: a call block's
    std::size_t line = 0;
    std::vector<Parameter> parameters;
    Body body;
    FunctionPlan function;
    bool takes_caller = false;
    bool takes_named = false;
    bool takes_more = false;
    bool names_caller = false;  ///< "caller" is one of the parameters
    Slot caller;
    Slot named;
    Slot more;
};

struct ForPlan {
    Target target;
    ExprPtr over;
    ExprPtr condition;
    bool recursive = false;
    bool has_loop = false;
    Slot loop;
    Body body;
    Body otherwise;
    Scope scope;
    Scope else_scope;
    FunctionPlan filter;  ///< of `condition`
    Target filter_target;
    FunctionPlan function;  ///< of a recursive loop
};

struct IncludePlan {
    ExprPtr name;
    bool ignore_missing = false;
    bool with_context = true;
    std::shared_ptr<const Visible> visible;
};

struct Branch {
    ExprPtr test;
    Body body;
};

struct Stmt {
    StmtKind kind = StmtKind::Data;
    bool toplevel = false;  ///< what it sets, macros and includes see
    std::size_t line = 0;
    std::string text;
    ExprPtr expr;
    Target target;
    Scope scope;
    Body body;
    std::vector<Branch> branches;  ///< if, elif …; `body` is else
    std::vector<std::pair<Target, ExprPtr>> bindings;
    std::unique_ptr<ForPlan> loop;
    std::shared_ptr<MacroPlan> macro;
    std::unique_ptr<IncludePlan> include;
};

/// A whole template.
struct Unit {
    std::string file;
    Body body;
    FunctionPlan function;
    std::vector<std::string> free_names;  ///< that it reads from outside, sorted
    std::vector<const Stmt*> includes;
};

}  // namespace cooper::build::jinja

#include "build/template/scopes.hpp"

#include "cooper/build/template.hpp"

#include "build/template/filters.hpp"
#include "build/template/globals.hpp"
#include "build/template/name_scan.hpp"
#include "build/template/symbols.hpp"
#include "build/template/tests.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>
#include <unordered_set>

namespace cooper::build::jinja {

namespace {

/// Finds out what each scope reads and sets. Scopes in a scope are looked at when they are entered.
class Analysis {
public:
    explicit Analysis(Symbols& symbols) : symbols_(symbols) {}

    void body(const Body& body) {
        for (const auto& stmt : body) {
            statement(*stmt);
        }
    }

    void macro(const MacroPlan& plan) {
        for (const Parameter& parameter : plan.parameters) {
            symbols_.declare_parameter(parameter.name);
        }
        for (const Parameter& parameter : plan.parameters) {
            expression(parameter.otherwise.get());
        }
        body(plan.body);
    }

    void parameters(const Target& target) {
        if (target.kind == Target::Kind::Name) {
            symbols_.declare_parameter(target.name);
        }
        for (const Target& each : target.several) {
            parameters(each);
        }
    }

    void expression(const Expr* expr) {
        if (expr == nullptr) {
            return;
        }
        if (expr->kind == ExprKind::Name) {
            symbols_.load(expr->name);
        }
        each_operand(*expr, [&](const Expr* operand) { expression(operand); });
    }

private:
    void target(const Target& target) {
        switch (target.kind) {
            case Target::Kind::Name:
                symbols_.store(target.name);
                break;
            case Target::Kind::Attribute:
                symbols_.load(target.name);
                break;
            case Target::Kind::Several:
                std::for_each(target.several.begin(), target.several.end(),
                              [&](const Target& each) { this->target(each); });
        }
    }

    /// As Jinja has it, all `elif` together are one branch, and each in it is an `if` of its own.
    void if_block(const Stmt& stmt) {
        expression(stmt.branches.front().test.get());
        symbols_.branches({[&] { body(stmt.branches.front().body); },
                           [&] {
                               for (std::size_t i = 1; i < stmt.branches.size(); ++i) {
                                   expression(stmt.branches[i].test.get());
                                   symbols_.branches({[&] { body(stmt.branches[i].body); }, [] {}, [] {}});
                               }
                           },
                           [&] { body(stmt.body); }});
    }

    void statement(const Stmt& stmt) {
        switch (stmt.kind) {
            case StmtKind::Data:
                break;
            case StmtKind::If:
                if_block(stmt);
                break;
            case StmtKind::For:
                expression(stmt.loop->over.get());
                break;
            case StmtKind::Set:
                expression(stmt.expr.get());
                target(stmt.target);
                break;
            case StmtKind::SetBlock:
                target(stmt.target);
                break;
            case StmtKind::Macro:
                symbols_.store(stmt.macro->name);
                break;
            case StmtKind::Print:
            case StmtKind::CallBlock:
            case StmtKind::FilterBlock:
                expression(stmt.expr.get());
                break;
            case StmtKind::With:
                for (const auto& [name, value] : stmt.bindings) {
                    expression(value.get());
                }
                break;
            case StmtKind::Include:
                expression(stmt.include->name.get());
                break;
        }
    }

    Symbols& symbols_;
};

/// The variables of what runs as one function.
struct Function {
    Function* outer = nullptr;
    std::unordered_map<std::string, std::uint32_t> slots = {};

    static std::string key(const Symbols& scope, const std::string& name) {
        return std::to_string(scope.level()) + " " + name;
    }
};

struct Frame {
    Symbols symbols;
    Function& function;
    Frame* outer = nullptr;
    bool toplevel = false;
    bool in_branch = false;
    std::shared_ptr<const Visible> visible = nullptr;

    [[nodiscard]] Frame inner() { return {Symbols(&symbols), function, this}; }
    [[nodiscard]] Frame inner(Function& other) { return {Symbols(&symbols), other, this}; }
};

class Binder {
public:
    explicit Binder(Unit& unit) : unit_(unit) {}

    void run() {
        Function root;
        Frame frame{Symbols(nullptr), root};
        frame.toplevel = true;
        Analysis(frame.symbols).body(unit_.body);
        unit_.function.scope = enter(frame);
        body(unit_.body, frame);
        unit_.function.slots = root.slots.size();
        for (const std::string& name : resolved_) {
            if (read_.count(name) > 0 && !is_global(name)) {
                unit_.free_names.push_back(name);
            }
        }
    }

private:
    [[noreturn]] void fail(std::size_t line, const Failure& failure) const {
        TemplateError error(unit_.file, line, failure.message);
        error.advise(failure.advice);
        throw error;
    }

    Slot slot_of(const Frame& frame, const std::string& name) const {
        const Symbols* const scope = frame.symbols.find(name);
        if (scope == nullptr) {
            throw std::logic_error("a name of a template was not analysed: " + name);
        }
        return slot_in(frame, *scope, name);
    }

    static Slot slot_in(const Frame& frame, const Symbols& scope, const std::string& name) {
        const std::string key = Function::key(scope, name);
        std::uint32_t hops = 0;
        for (const Function* function = &frame.function; function != nullptr; function = function->outer, ++hops) {
            const auto found = function->slots.find(key);
            if (found != function->slots.end()) {
                return {hops, found->second};
            }
        }
        throw std::logic_error("a variable of a template has no place: " + name);
    }

    /// Gives the variables of an analysed frame their places.
    Scope enter(const Frame& frame) {
        Scope scope;
        for (const auto& [name, symbol] : frame.symbols.names()) {
            frame.function.slots.try_emplace(Function::key(frame.symbols, name),
                                             static_cast<std::uint32_t>(frame.function.slots.size()));
            if (symbol.load == Load::Kind::Resolve) {
                resolved_.insert(name);
            }
        }
        for (const auto& [name, symbol] : frame.symbols.names()) {
            Load load{symbol.load, {}, slot_in(frame, frame.symbols, name), {}};
            if (symbol.load == Load::Kind::Alias) {
                load.source = slot_in(frame, *symbol.source, name);
            } else if (symbol.load == Load::Kind::Resolve) {
                load.name = name;
            }
            scope.loads.push_back(std::move(load));
        }
        return scope;
    }

    // -- expressions

    void expression(Expr* expr, Frame& frame) {
        if (expr == nullptr) {
            return;
        }
        if (expr->kind == ExprKind::Name) {
            expr->slot = slot_of(frame, expr->name);
            read_.insert(expr->name);
        } else if (expr->kind == ExprKind::Filter || expr->kind == ExprKind::Test) {
            check_known(*expr, frame);
        }
        const bool was_in_branch = frame.in_branch;
        frame.in_branch = was_in_branch || expr->kind == ExprKind::Conditional;
        each_operand(*expr, [&](Expr* operand) { expression(operand, frame); });
        frame.in_branch = was_in_branch;
    }

    /// In a branch it may never be reached: `{% if "x" is filter %}{{ a|x }}{% endif %}`.
    void check_known(const Expr& expr, const Frame& frame) const {
        if (!frame.in_branch && expr.kind == ExprKind::Filter && expr.filter == nullptr) {
            fail(expr.line, unknown_filter(expr.name));
        }
        if (!frame.in_branch && expr.kind == ExprKind::Test && expr.test == nullptr) {
            fail(expr.line, unknown_test(expr.name));
        }
    }

    void target(Target& target, Frame& frame) const {
        if (target.kind == Target::Kind::Several) {
            for (Target& each : target.several) {
                this->target(each, frame);
            }
            return;
        }
        if (target.name == "loop" && target.kind == Target::Kind::Name && loops_ > 0) {
            fail(target.line, {"\"loop\" is the loop's own: nothing can be assigned to it"});
        }
        target.slot = slot_of(frame, target.name);
    }

    // -- statements

    void body(Body& body, Frame& frame) {
        for (const auto& stmt : body) {
            statement(*stmt, frame);
        }
    }

    void statement(Stmt& stmt, Frame& frame) {
        stmt.toplevel = frame.toplevel;
        switch (stmt.kind) {
            case StmtKind::Data:
                break;
            case StmtKind::Print:
                expression(stmt.expr.get(), frame);
                break;
            case StmtKind::If:
                if_block(stmt, frame);
                break;
            case StmtKind::For:
                for_block(*stmt.loop, frame);
                break;
            case StmtKind::Set:
                expression(stmt.expr.get(), frame);
                target(stmt.target, frame);
                break;
            case StmtKind::SetBlock:
                captured(stmt, frame);
                target(stmt.target, frame);
                break;
            case StmtKind::FilterBlock:
                captured(stmt, frame);
                break;
            case StmtKind::Macro:
                macro(*stmt.macro, frame);
                target(stmt.target, frame);
                break;
            case StmtKind::CallBlock:
                macro(*stmt.macro, frame);
                expression(stmt.expr.get(), frame);
                break;
            case StmtKind::With:
                with(stmt, frame);
                break;
            case StmtKind::Include:
                expression(stmt.include->name.get(), frame);
                stmt.include->visible = visible(frame);
                unit_.includes.push_back(&stmt);
                break;
        }
    }

    void if_block(Stmt& stmt, Frame& frame) {
        const bool was_in_branch = std::exchange(frame.in_branch, true);
        for (Branch& branch : stmt.branches) {
            expression(branch.test.get(), frame);
            body(branch.body, frame);
        }
        body(stmt.body, frame);
        frame.in_branch = was_in_branch;
    }

    void captured(Stmt& stmt, Frame& outer) {
        Frame frame = outer.inner();
        Analysis analysis(frame.symbols);
        analysis.body(stmt.body);
        analysis.expression(stmt.expr.get());
        stmt.scope = enter(frame);
        body(stmt.body, frame);
        expression(stmt.expr.get(), frame);
    }

    void with(Stmt& stmt, Frame& outer) {
        Frame frame = outer.inner();
        Analysis analysis(frame.symbols);
        for (const auto& [target, value] : stmt.bindings) {
            analysis.parameters(target);
        }
        analysis.body(stmt.body);
        stmt.scope = enter(frame);
        const unsigned loops = std::exchange(loops_, 0);  // its names are parameters: "loop" may be one
        for (auto& [target, value] : stmt.bindings) {
            this->target(target, frame);
            expression(value.get(), outer);
        }
        loops_ = loops;
        body(stmt.body, frame);
    }

    void macro(MacroPlan& plan, Frame& outer) {
        Function function{&outer.function};
        Frame frame = outer.inner(function);
        Analysis(frame.symbols).macro(plan);
        declare_specials(plan, frame);
        Analysis(frame.symbols).macro(plan);
        plan.function.scope = enter(frame);
        for (Parameter& parameter : plan.parameters) {
            parameter.slot = slot_of(frame, parameter.name);
            expression(parameter.otherwise.get(), frame);
        }
        if (plan.takes_caller && !plan.names_caller) {
            plan.caller = slot_of(frame, "caller");
        }
        if (plan.takes_named) {
            plan.named = slot_of(frame, "kwargs");
        }
        if (plan.takes_more) {
            plan.more = slot_of(frame, "varargs");
        }
        body(plan.body, frame);
        plan.function.slots = function.slots.size();
    }

    void declare_specials(MacroPlan& plan, Frame& frame) const {
        const auto parameter = [&](std::string_view name) {
            return std::find_if(plan.parameters.begin(), plan.parameters.end(),
                                [&](const Parameter& each) { return each.name == name; });
        };
        const auto caller = parameter("caller");
        plan.names_caller = caller != plan.parameters.end();
        for (const std::string_view name : read_before_set(plan.body, {"caller", "kwargs", "varargs"})) {
            if (name == "caller") {
                plan.takes_caller = true;
                if (plan.names_caller && !caller->otherwise) {
                    fail(plan.line, {"the parameter \"caller\" needs a default, or is left out"});
                }
                if (plan.names_caller) {
                    continue;
                }
            } else if (parameter(name) != plan.parameters.end()) {
                continue;
            } else {
                (name == "kwargs" ? plan.takes_named : plan.takes_more) = true;
            }
            frame.symbols.declare_parameter(std::string(name));
        }
    }

    void for_block(ForPlan& plan, Frame& outer) {
        ++loops_;
        plan.has_loop = plan.recursive || !read_before_set(plan.body, {"loop"}).empty();
        if (plan.condition) {
            loop_filter(plan, outer);
        }
        expression(plan.over.get(), outer);
        Function own{&outer.function};
        Function& function = plan.recursive ? own : outer.function;
        loop_body(plan, outer, function);
        if (!plan.otherwise.empty()) {
            Frame frame = outer.inner(function);
            Analysis(frame.symbols).body(plan.otherwise);
            plan.else_scope = enter(frame);
            body(plan.otherwise, frame);
        }
        plan.function.slots = own.slots.size();
        --loops_;
    }

    void loop_body(ForPlan& plan, Frame& outer, Function& function) {
        Frame frame = outer.inner(function);
        Analysis analysis(frame.symbols);
        if (plan.has_loop) {
            frame.symbols.declare_parameter("loop");
        }
        analysis.parameters(plan.target);
        analysis.body(plan.body);
        plan.scope = enter(frame);
        target(plan.target, frame);
        if (plan.has_loop) {
            plan.loop = slot_of(frame, "loop");
        }
        body(plan.body, frame);
    }

    void loop_filter(ForPlan& plan, Frame& outer) {
        Function function{&outer.function};
        Frame frame = outer.inner(function);
        Analysis analysis(frame.symbols);
        analysis.parameters(plan.target);
        analysis.expression(plan.condition.get());
        plan.filter.scope = enter(frame);
        plan.filter_target = plan.target;
        target(plan.filter_target, frame);
        expression(plan.condition.get(), frame);
        plan.filter.slots = function.slots.size();
    }

    std::shared_ptr<const Visible> visible(Frame& frame) const {
        if (!frame.visible) {
            auto made = std::make_shared<Visible>();
            for (const auto& [name, symbol] : frame.symbols.names()) {
                if (symbol.stored) {
                    made->names.emplace_back(name, slot_in(frame, frame.symbols, name).index);
                }
            }
            if (frame.outer != nullptr) {
                made->outer = visible(*frame.outer);
                made->outer_is_other_function = &frame.outer->function != &frame.function;
            }
            frame.visible = std::move(made);
        }
        return frame.visible;
    }

    Unit& unit_;
    std::set<std::string> resolved_;
    std::unordered_set<std::string> read_;
    unsigned loops_ = 0;
};

}  // namespace

void bind_names(Unit& unit) {
    Binder(unit).run();
}

}  // namespace cooper::build::jinja

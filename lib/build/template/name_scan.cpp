#include "build/template/name_scan.hpp"

#include <algorithm>

namespace cooper::build::jinja {

namespace {

/// In the order in which Jinja's UndeclaredNameVisitor goes, which decides what counts as set.
class NameScan {
public:
    explicit NameScan(std::vector<std::string_view> names) : names_(std::move(names)) {}

    void body(const Body& body) {
        for (const auto& stmt : body) {
            statement(*stmt);
        }
    }

    std::vector<std::string_view> found() { return std::move(found_); }

private:
    [[nodiscard]] static bool has(const std::vector<std::string_view>& names, std::string_view name) {
        return std::find(names.begin(), names.end(), name) != names.end();
    }

    void expression(const Expr* expr) {
        if (expr == nullptr || found_.size() == names_.size()) {
            return;
        }
        if (expr->kind == ExprKind::Name) {
            const auto name = std::find(names_.begin(), names_.end(), expr->name);
            if (name != names_.end() && !has(found_, *name)) {
                found_.push_back(*name);
            }
        }
        each_operand(*expr, [&](const Expr* operand) { expression(operand); });
    }

    void set(const std::string& name) { names_.erase(std::remove(names_.begin(), names_.end(), name), names_.end()); }

    void target(const Target& target) {
        if (target.kind == Target::Kind::Name) {
            set(target.name);
        }
        for (const Target& each : target.several) {
            this->target(each);
        }
    }

    void macro(const MacroPlan& plan) {
        for (const Parameter& parameter : plan.parameters) {
            set(parameter.name);
        }
        for (const Parameter& parameter : plan.parameters) {
            expression(parameter.otherwise.get());
        }
        body(plan.body);
    }

    void loop(const ForPlan& plan) {
        target(plan.target);
        expression(plan.over.get());
        body(plan.body);
        body(plan.otherwise);
        expression(plan.condition.get());
    }

    void statement(const Stmt& stmt) {
        switch (stmt.kind) {
            case StmtKind::Data:
                break;
            case StmtKind::Print:
                expression(stmt.expr.get());
                break;
            case StmtKind::If:
                for (const Branch& branch : stmt.branches) {
                    expression(branch.test.get());
                    body(branch.body);
                }
                body(stmt.body);
                break;
            case StmtKind::For:
                loop(*stmt.loop);
                break;
            case StmtKind::Set:
                target(stmt.target);
                expression(stmt.expr.get());
                break;
            case StmtKind::SetBlock:
                target(stmt.target);
                expression(stmt.expr.get());
                body(stmt.body);
                break;
            case StmtKind::Macro:
                macro(*stmt.macro);
                break;
            case StmtKind::CallBlock:
                expression(stmt.expr.get());
                macro(*stmt.macro);
                break;
            case StmtKind::FilterBlock:
                body(stmt.body);
                expression(stmt.expr.get());
                break;
            case StmtKind::With:
                for (const auto& [name, value] : stmt.bindings) {
                    target(name);
                }
                for (const auto& [name, value] : stmt.bindings) {
                    expression(value.get());
                }
                body(stmt.body);
                break;
            case StmtKind::Include:
                expression(stmt.include->name.get());
                break;
        }
    }

    std::vector<std::string_view> names_;  // that nothing has set yet
    std::vector<std::string_view> found_;
};

}  // namespace

std::vector<std::string_view> read_before_set(const Body& body, std::vector<std::string_view> names) {
    NameScan scan(std::move(names));
    scan.body(body);
    return scan.found();
}

}  // namespace cooper::build::jinja

// Runs a parsed template. One Renderer per rendering.
#pragma once

#include "cooper/build/template.hpp"

#include "build/template/syntax.hpp"
#include "build/template/value.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace cooper::build::jinja {

/// The variables of a running function; macros made in it keep it.
struct Activation {
    Charge charge;
    std::vector<Value> slots;
    std::shared_ptr<Activation> outer;
};

/// The names that are not decided when a template is parsed: what the caller gave, what is set at the top level.
struct Context {
    using Names = std::unordered_map<std::string, Value>;

    std::shared_ptr<const Names> given;
    Names set;

    [[nodiscard]] Value find(const std::string& name) const;
};

struct Macro final : Object {
    const MacroPlan* plan = nullptr;
    const Unit* unit = nullptr;
    std::shared_ptr<Activation> closure;
    std::shared_ptr<Context> context;
};

/// `loop`.
struct Loop final : Object {
    Value iterable;
    Next next;
    Value before;
    Value current;
    Value after;         ///< was looked at already; Missing: nothing was
    bool ended = false;  ///< looking for what comes next found nothing
    std::int64_t index0 = -1;
    std::int64_t depth0 = 0;
    std::optional<std::int64_t> length;
    std::vector<Value> last_changed;  ///< what changed() was told
    bool was_told = false;
    std::function<Value(Renderer&, const Value& iterable, std::int64_t depth)> recurse;

    bool advance(Value& item);
    /// Whether there is a next one; it is in `after` then.
    bool peek();
    std::int64_t count(Renderer& renderer);
    void release() override;
};

class Renderer {
public:
    Renderer(std::shared_ptr<const Unit> unit, const TemplateOptions& options);
    Renderer(const Renderer&) = delete;
    Renderer& operator=(const Renderer&) = delete;
    ~Renderer();

    /// Throws TemplateError.
    std::string render(const TemplateMap& variables);

    // -- for filters, tests and methods; all throw Failure, or TemplateError that was thrown further down

    [[nodiscard]] Budget* budget() { return &budget_; }
    Value text(std::string bytes, bool markup = false) { return make_text(&budget_, std::move(bytes), markup); }
    Value undefined(std::string message) { return make_undefined(&budget_, std::move(message)); }

    [[nodiscard]] bool is_strict() const noexcept { return options_.strict; }
    bool truth(const Value& value) const;
    /// str(): what a value prints as.
    void print(const Value& value, TextBuilder& to);
    std::string printed(const Value& value);
    /// Every item in turn; throws for what has none.
    Next iterate(const Value& value);
    std::vector<Value> list(const Value& value);
    std::size_t length(const Value& value) const;
    Value call(const Value& callee, Arguments& arguments);
    Value attribute(const Value& of, const std::string& name);
    Value item(const Value& of, const Value& key);
    Value slice(const Value& of, const Value& start, const Value& stop, const Value& step);
    Value binary(Operator op, const Value& left, const Value& right);
    bool compare(Operator op, const Value& left, const Value& right);
    bool contains(const Value& in, const Value& value);
    bool equals(const Value& a, const Value& b);
    /// Where undefined variables are errors, using one is.
    void require_defined(const Value& value) const;
    /// Keeps an object that can change until the end.
    void keep(std::shared_ptr<Object> object) { kept_.push_back(std::move(object)); }

private:
    class Entered;
    class Deeper;

    // -- statements
    void run(const Body& body);
    void run(const Stmt& stmt);
    void run_if(const Stmt& stmt);
    void run_for(const Stmt& stmt);
    void run_recursive(const Stmt& stmt);
    Value recurse(const Stmt& stmt, const std::shared_ptr<Activation>& around, const Value& iterable,
                  std::int64_t depth);
    void loop_over(const ForPlan& plan, const Value& iterable, const std::shared_ptr<Loop>& loop);
    std::shared_ptr<Loop> make_loop(const Value& iterable, std::int64_t depth);
    Next filtered(const ForPlan& plan, const Value& iterable);
    void run_set_block(const Stmt& stmt);
    void run_filter_block(const Stmt& stmt);
    Value capture(const Stmt& stmt);
    /// What a filter block or a call block gives, which is text.
    void write_text(const Value& value, std::string_view block);
    void run_with(const Stmt& stmt);
    void run_macro(const Stmt& stmt);
    void run_call_block(const Stmt& stmt);
    void run_include(const Stmt& stmt);
    std::shared_ptr<const Unit> find_unit(const Value& names, std::string& missing);
    std::shared_ptr<const Unit> load_unit(const std::string& name);
    std::shared_ptr<const Context::Names> names_for_include(const IncludePlan& plan);
    void run_unit(const std::shared_ptr<const Unit>& unit, std::shared_ptr<const Context::Names> names);
    void assign(const Target& target, const Value& value, bool toplevel);
    void unpack(const Target& target, const Value& value, bool toplevel);
    void enter(const Scope& scope);
    void leave(const Scope& scope);
    Value make_macro(const Stmt& stmt);

    // -- expressions
    Value evaluate(const Expr& expr);
    Value evaluate_parts(const Expr& expr);
    Value name(const Expr& expr);
    Value dict_literal(const Expr& expr);
    Value slice_of(const Expr& expr);
    Value conditional(const Expr& expr);
    Value comparison(const Expr& expr);
    Value concatenation(const Expr& expr);
    Value unary(const Expr& expr);
    Value apply_filter(const Expr& expr);
    bool apply_test(const Expr& expr);
    /// Those of `expr.parts` from `first` on, and the extras.
    Arguments arguments(const Expr& expr, std::size_t first);
    void spread(const Expr& expr, Arguments& arguments);
    Value call_macro(const Macro& macro, Arguments& arguments);
    void bind_parameters(const Macro& macro, Arguments& arguments, Activation& to);
    void fill_defaults(const MacroPlan& plan, Activation& to);

    Value& at(const Slot& slot);
    std::shared_ptr<Activation> activate(std::size_t slots, std::shared_ptr<Activation> outer);
    Value from_outside(const TemplateValue& value, unsigned depth);
    [[noreturn]] void fail_here(const Failure& failure) const;

    Budget budget_;
    const TemplateOptions& options_;
    std::shared_ptr<const Unit> main_;
    std::unordered_map<std::string, std::shared_ptr<const Unit>> units_;  // that were included
    std::vector<std::shared_ptr<Object>> kept_;
    std::vector<std::shared_ptr<Activation>> kept_activations_;
    std::vector<std::shared_ptr<Context>> kept_contexts_;

    const Unit* unit_ = nullptr;  // that runs
    std::size_t line_ = 1;
    std::shared_ptr<Activation> activation_;
    std::shared_ptr<Context> context_;
    TextBuilder* out_ = nullptr;
    Value captured_;
    unsigned calls_ = 0;
    unsigned depth_ = 0;
};

}  // namespace cooper::build::jinja

#include "build/template/renderer.hpp"

#include "cooper/base/text.hpp"

#include "build/template/characters.hpp"
#include "build/template/globals.hpp"
#include "build/template/running.hpp"

#include <algorithm>

namespace cooper::build::jinja {

Value Context::find(const std::string& name) const {
    const auto here = set.find(name);
    if (here != set.end()) {
        return here->second;
    }
    const auto outside = given->find(name);
    return outside == given->end() ? Value() : outside->second;
}

Renderer::Renderer(std::shared_ptr<const Unit> unit, const TemplateOptions& options)
    : options_(options), main_(std::move(unit)) {}

/// What holds each other lets go first; nothing is destroyed while it is still being walked.
Renderer::~Renderer() {
    for (const auto& object : kept_) {
        object->release();
    }
    for (const auto& activation : kept_activations_) {
        activation->slots.clear();
        activation->outer.reset();
    }
    for (const auto& context : kept_contexts_) {
        context->set.clear();
    }
}

std::string Renderer::render(const TemplateMap& variables) {
    unit_ = main_.get();
    TextBuilder out(&budget_);
    out_ = &out;
    try {
        auto names = std::make_shared<Context::Names>();
        for (const auto& [name, value] : variables) {
            (*names)[name] = from_outside(value, 0);
        }
        run_unit(main_, std::move(names));
    } catch (const Failure& failure) {
        fail_here(failure);
    }
    return out.take();
}

void Renderer::fail_here(const Failure& failure) const {
    TemplateError error(unit_->file, line_, failure.message);
    if (!failure.advice.empty()) {
        error.advise(failure.advice);
    }
    throw error;
}

Value Renderer::from_outside(const TemplateValue& value, unsigned depth) {
    if (depth > kMaxValueDepth) {
        throw Failure{"a variable is nested deeper than " + std::to_string(kMaxValueDepth)};
    }
    const auto checked = [&](const std::string& text) {
        if (!is_valid_utf8(text)) {
            throw Failure{"a variable is not UTF-8"};
        }
        return make_text(&budget_, text);
    };
    if (const auto* const boolean = std::get_if<bool>(&value.data)) {
        return *boolean;
    }
    if (const auto* const integer = std::get_if<std::int64_t>(&value.data)) {
        return *integer;
    }
    if (const auto* const real = std::get_if<double>(&value.data)) {
        return *real;
    }
    if (const auto* const bytes = std::get_if<std::string>(&value.data)) {
        return checked(*bytes);
    }
    if (const auto* const list = std::get_if<TemplateList>(&value.data)) {
        std::vector<Value> items;
        for (const TemplateValue& item : *list) {
            items.push_back(from_outside(item, depth + 1));
        }
        return make_list(&budget_, std::move(items));
    }
    if (const auto* const map = std::get_if<TemplateMap>(&value.data)) {
        std::vector<std::pair<Value, Value>> entries;
        for (const auto& [key, item] : *map) {
            entries.emplace_back(checked(key), from_outside(item, depth + 1));
        }
        return make_dict(&budget_, std::move(entries));
    }
    return Value::none();
}

std::shared_ptr<Activation> Renderer::activate(std::size_t slots, std::shared_ptr<Activation> outer) {
    Charge charge(&budget_, sizeof(Activation) + slots * sizeof(Value));
    auto activation = std::make_shared<Activation>();
    activation->charge = std::move(charge);
    activation->slots.resize(slots);
    activation->outer = std::move(outer);
    return activation;
}

Value& Renderer::at(const Slot& slot) {
    Activation* activation = activation_.get();
    for (std::uint32_t i = 0; i < slot.hops; ++i) {
        activation = activation->outer.get();
    }
    return activation->slots[slot.index];
}

void Renderer::enter(const Scope& scope) {
    for (const Load& load : scope.loads) {
        switch (load.kind) {
            case Load::Kind::Parameter:
                break;
            case Load::Kind::Resolve: {
                Value value = context_->find(load.name);
                at(load.slot) = value.missing() ? global(load.name, &budget_) : std::move(value);
                break;
            }
            case Load::Kind::Alias:
                at(load.slot) = at(load.source);
                break;
            case Load::Kind::Nothing:
                at(load.slot) = Value();
                break;
        }
    }
}

void Renderer::leave(const Scope& scope) {
    for (const Load& load : scope.loads) {
        at(load.slot) = Value();
    }
}

void Renderer::run(const Body& body) {
    const Deeper deeper(*this);
    for (const auto& stmt : body) {
        budget_.step();
        run(*stmt);
    }
}

void Renderer::run(const Stmt& stmt) {
    line_ = stmt.line;
    switch (stmt.kind) {
        case StmtKind::Data:
            write(*out_, stmt.text);
            break;
        case StmtKind::Print: {
            const Value value = evaluate(*stmt.expr);
            print(value, *out_);
            check_output(*out_);
            break;
        }
        case StmtKind::If:
            run_if(stmt);
            break;
        case StmtKind::For:
            stmt.loop->recursive ? run_recursive(stmt) : run_for(stmt);
            break;
        case StmtKind::Set:
            assign(stmt.target, evaluate(*stmt.expr), stmt.toplevel);
            break;
        case StmtKind::SetBlock:
            run_set_block(stmt);
            break;
        case StmtKind::Macro:
            run_macro(stmt);
            break;
        case StmtKind::CallBlock:
            run_call_block(stmt);
            break;
        case StmtKind::FilterBlock:
            run_filter_block(stmt);
            break;
        case StmtKind::With:
            run_with(stmt);
            break;
        case StmtKind::Include:
            run_include(stmt);
            break;
    }
}

void Renderer::run_if(const Stmt& stmt) {
    for (const Branch& branch : stmt.branches) {
        if (truth(evaluate(*branch.test))) {
            run(branch.body);
            return;
        }
    }
    run(stmt.body);
}

void Renderer::assign(const Target& target, const Value& value, bool toplevel) {
    switch (target.kind) {
        case Target::Kind::Several:
            unpack(target, value, toplevel);
            break;
        case Target::Kind::Attribute: {
            const Value& holder = at(target.slot);
            line_ = target.line;
            if (!holder.is(Kind::Namespace)) {
                throw Failure{"\"" + target.name + "." + target.attribute + "\" cannot be set: \"" + target.name +
                                  "\" is no namespace",
                              "{% set " + target.name + " = namespace() %}"};
            }
            holder.as<Namespace>().set(target.attribute, value);
            break;
        }
        case Target::Kind::Name:
            at(target.slot) = value;
            if (toplevel) {
                context_->set[target.name] = value;
            }
            break;
    }
}

void Renderer::unpack(const Target& target, const Value& value, bool toplevel) {
    line_ = target.line;
    const Next next = iterate(value);
    std::vector<Value> items;
    Value item;
    while (items.size() <= target.several.size() && next(item)) {
        items.push_back(std::move(item));
    }
    if (items.size() != target.several.size()) {
        throw Failure{"found " + (items.size() > target.several.size() ? "more" : std::to_string(items.size())) +
                      " values to unpack, expected " + std::to_string(target.several.size())};
    }
    for (std::size_t i = 0; i < items.size(); ++i) {
        assign(target.several[i], items[i], toplevel);
    }
}

Value Renderer::capture(const Stmt& stmt) {
    TextBuilder out(&budget_);
    const Redirected redirected(out_, out);
    run(stmt.body);
    return make_text(out);
}

void Renderer::run_set_block(const Stmt& stmt) {
    enter(stmt.scope);
    const Value outer = std::exchange(captured_, capture(stmt));
    Value value = evaluate(*stmt.expr);
    captured_ = outer;
    leave(stmt.scope);
    assign(stmt.target, value, stmt.toplevel);
}

void Renderer::run_filter_block(const Stmt& stmt) {
    enter(stmt.scope);
    const Value outer = std::exchange(captured_, capture(stmt));
    write_text(evaluate(*stmt.expr), "filter");
    captured_ = outer;
    leave(stmt.scope);
}

/// Each value is evaluated outside, where names mean what they did before.
void Renderer::run_with(const Stmt& stmt) {
    enter(stmt.scope);
    for (const auto& [target, expr] : stmt.bindings) {
        assign(target, evaluate(*expr), false);
    }
    run(stmt.body);
    leave(stmt.scope);
}

Value Renderer::make_macro(const Stmt& stmt) {
    auto macro = make_object<Macro>(&budget_, 0, Inside());
    macro->plan = stmt.macro.get();
    macro->unit = unit_;
    macro->closure = activation_;
    macro->context = context_;
    return {Kind::Macro, std::move(macro)};
}

void Renderer::run_macro(const Stmt& stmt) {
    assign(stmt.target, make_macro(stmt), stmt.toplevel);
}

void Renderer::run_call_block(const Stmt& stmt) {
    const Value caller = make_macro(stmt);
    const Value callee = evaluate(*stmt.expr->parts.front());
    Arguments given = arguments(*stmt.expr, 1);
    given.named.emplace_back("caller", caller);
    line_ = stmt.line;
    write_text(call(callee, given), "call");
}

void Renderer::write_text(const Value& value, std::string_view block) {
    if (!value.is_text()) {
        throw Failure{
            "the " + std::string(block) + " block gives a " + std::string(type_name(value)) + ", expected a text",
            "{% set %} takes any value, … | string makes a text of it"};
    }
    write(*out_, value.text());
}

}  // namespace cooper::build::jinja

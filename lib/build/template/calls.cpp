#include "build/template/parser.hpp"
#include "build/template/running.hpp"
#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build::jinja {

namespace {

constexpr unsigned kShownCalls = 8;  // of a stack of 200: where it began

/// The value of a named argument, which goes from the others; Missing when it is not there.
Value take_named(Arguments& arguments, const std::string& name) {
    const auto found = std::find_if(arguments.named.begin(), arguments.named.end(),
                                    [&](const auto& each) { return each.first == name; });
    if (found == arguments.named.end()) {
        return {};
    }
    Value value = std::move(found->second);
    arguments.named.erase(found);
    return value;
}

}  // namespace

Renderer::Entered::Entered(Renderer& renderer, std::shared_ptr<Activation> activation, std::shared_ptr<Context> context,
                           const Unit* unit, long owners)
    : renderer_(renderer),
      activation_(std::exchange(renderer.activation_, std::move(activation))),
      context_(std::exchange(renderer.context_, std::move(context))),
      unit_(std::exchange(renderer.unit_, unit)),
      line_(renderer.line_),
      owners_(owners) {}

Renderer::Entered::~Entered() {
    if (renderer_.activation_.use_count() > owners_) {
        renderer_.kept_activations_.push_back(renderer_.activation_);
    }
    renderer_.activation_ = std::move(activation_);
    renderer_.context_ = std::move(context_);
    renderer_.unit_ = unit_;
    renderer_.line_ = line_;
}

Value Renderer::call(const Value& callee, Arguments& arguments) {
    switch (callee.kind()) {
        case Kind::Undefined:
            throw Failure{callee.as<Undefined>().message};
        case Kind::Macro:
            return call_macro(callee.as<Macro>(), arguments);
        case Kind::Function: {
            const auto held = callee.object();  // the call may let go of what held it
            return static_cast<const Function&>(*held).call(*this, arguments);
        }
        case Kind::Loop: {
            auto& loop = callee.as<Loop>();
            if (!loop.recurse) {
                throw Failure{"\"loop\" can be called in a loop marked \"recursive\" only"};
            }
            if (arguments.positional.size() != 1 || !arguments.named.empty()) {
                throw Failure{"loop() takes one argument: what to go over"};
            }
            return loop.recurse(*this, arguments.positional.front(), loop.depth0 + 1);
        }
        default:
            throw Failure{"a " + std::string(type_name(callee)) + " cannot be called"};
    }
}

Value Renderer::call_macro(const Macro& macro, Arguments& arguments) {
    const auto held = std::make_pair(macro.closure, macro.context);
    const MacroPlan& plan = *macro.plan;
    const Unit* const unit = macro.unit;
    auto activation = activate(plan.function.slots, macro.closure);
    bind_parameters(macro, arguments, *activation);
    if (calls_ >= kMaxCalls) {
        throw Failure{"macros call each other more than " + std::to_string(kMaxCalls) + " levels deep"};
    }
    const std::string frame = "in the " + (plan.name.empty() ? "body of a call block" : "macro \"" + plan.name + "\"") +
                              " used at " + unit_->file + ":" + std::to_string(line_);
    TextBuilder out(&budget_);
    try {
        const Entered entered(*this, std::move(activation), held.second, unit);
        const Redirected redirected(out_, out);
        ++calls_;
        try {
            enter(plan.function.scope);
            fill_defaults(plan, *activation_);
            run(plan.body);
        } catch (const Failure& failure) {
            fail_here(failure);
        }
        --calls_;
    } catch (TemplateError& error) {
        if (calls_-- <= kShownCalls) {
            error.add_context(frame);
        }
        throw;
    }
    return make_text(out);
}

void Renderer::bind_parameters(const Macro& macro, Arguments& given, Activation& to) {
    const MacroPlan& plan = *macro.plan;
    const std::string name = plan.name.empty() ? "the body of a call block" : "the macro \"" + plan.name + "\"";
    const std::size_t by_position = std::min(given.positional.size(), plan.parameters.size());
    bool found_caller = by_position == plan.parameters.size() && plan.names_caller;
    for (std::size_t i = 0; i < plan.parameters.size(); ++i) {
        const Parameter& parameter = plan.parameters[i];
        to.slots[parameter.slot.index] = i < by_position ? given.positional[i] : take_named(given, parameter.name);
        found_caller = found_caller || (i >= by_position && parameter.name == "caller");
    }
    if (plan.takes_caller && !found_caller) {
        Value caller = take_named(given, "caller");
        const bool absent = caller.missing() || caller.is(Kind::None);
        to.slots[plan.caller.index] =
            absent ? undefined("no \"caller\" here: the macro was not used by a call block") : caller;
    }
    if (plan.takes_named) {
        std::vector<std::pair<Value, Value>> rest;
        for (auto& [key, value] : given.named) {
            rest.emplace_back(text(key), value);
        }
        to.slots[plan.named.index] = make_dict(&budget_, std::move(rest));
    } else if (!given.named.empty()) {
        const std::string& first = given.named.front().first;
        throw Failure{name + (first == "caller" ? " was used by a call block, but calls no caller()"
                                                : " has no parameter \"" + oci::printable(first, 60) + "\"")};
    }
    if (plan.takes_more) {
        to.slots[plan.more.index] = make_tuple(
            &budget_, {given.positional.begin() + static_cast<std::ptrdiff_t>(by_position), given.positional.end()});
    } else if (given.positional.size() > plan.parameters.size()) {
        throw Failure{name + " takes " + std::to_string(plan.parameters.size()) + " arguments, found " +
                      std::to_string(given.positional.size())};
    }
}

/// In order: a default may use the parameters before it.
void Renderer::fill_defaults(const MacroPlan& plan, Activation& to) {
    for (const Parameter& parameter : plan.parameters) {
        if (!to.slots[parameter.slot.index].missing()) {
            continue;
        }
        Value value = parameter.otherwise ? evaluate(*parameter.otherwise)
                                          : undefined("the parameter \"" + parameter.name + "\" was not given");
        to.slots[parameter.slot.index] = std::move(value);
    }
}

// -- includes

std::shared_ptr<const Unit> Renderer::load_unit(const std::string& name) {
    const auto known = units_.find(name);
    if (known != units_.end()) {
        return known->second;
    }
    const auto found = options_.loader ? options_.loader(name) : std::nullopt;
    std::shared_ptr<const Unit> unit;
    if (found) {
        budget_.step(found->size() / 16);
        unit = std::make_shared<const Unit>(parse_unit(*found, name, options_));
    }
    units_.emplace(name, unit);
    return unit;
}

std::shared_ptr<const Unit> Renderer::find_unit(const Value& names, std::string& missing) {
    if (names.is(Kind::Undefined)) {
        throw Failure{names.as<Undefined>().message};
    }
    std::vector<Value> several;
    if (names.is_text()) {
        several.push_back(names);
    } else {
        several = list(names);
    }
    for (const Value& name : several) {
        if (!name.is_text()) {
            throw Failure{"include: found a " + std::string(type_name(name)) + ", expected the name of a template"};
        }
        if (auto unit = load_unit(name.text())) {
            return unit;
        }
        missing += (missing.empty() ? "" : ", ") + ("\"" + oci::printable(name.text(), 60) + "\"");
    }
    return nullptr;
}

std::shared_ptr<const Context::Names> Renderer::names_for_include(const IncludePlan& plan) {
    auto names = std::make_shared<Context::Names>();
    Activation* activation = activation_.get();
    for (const Visible* scope = plan.visible.get(); scope != nullptr; scope = scope->outer.get()) {
        for (const auto& [name, index] : scope->names) {
            names->emplace(name, activation->slots[index]);
        }
        activation = scope->outer_is_other_function ? activation->outer.get() : activation;
    }
    std::erase_if(*names, [](const auto& each) { return each.second.missing(); });
    names->insert(context_->set.begin(), context_->set.end());
    names->insert(context_->given->begin(), context_->given->end());
    budget_.step(names->size());
    return names;
}

void Renderer::run_include(const Stmt& stmt) {
    const IncludePlan& plan = *stmt.include;
    const Value names = evaluate(*plan.name);
    line_ = stmt.line;
    std::string missing;
    const auto unit = find_unit(names, missing);
    if (!unit) {
        if (plan.ignore_missing) {
            return;
        }
        throw Failure{"there is no template " + (missing.empty() ? "to include" : missing),
                      options_.loader ? "names lead down from the directory of templates, without \"..\""
                                      : "this template was given without a directory to include from"};
    }
    if (calls_ >= kMaxCalls) {
        throw Failure{"templates include each other more than " + std::to_string(kMaxCalls) + " levels deep"};
    }
    const std::string frame = "included at " + unit_->file + ":" + std::to_string(line_);
    ++calls_;
    try {
        run_unit(unit, plan.with_context ? names_for_include(plan) : std::make_shared<const Context::Names>());
        --calls_;
    } catch (TemplateError& error) {
        if (calls_-- <= kShownCalls) {
            error.add_context(frame);
        }
        throw;
    }
}

void Renderer::run_unit(const std::shared_ptr<const Unit>& unit, std::shared_ptr<const Context::Names> names) {
    auto context = std::make_shared<Context>();
    context->given = std::move(names);
    kept_contexts_.push_back(context);
    const Entered entered(*this, activate(unit->function.slots, nullptr), context, unit.get());
    line_ = 1;
    try {
        enter(unit->function.scope);
        run(unit->body);
    } catch (const Failure& failure) {
        fail_here(failure);
    }
}

}  // namespace cooper::build::jinja

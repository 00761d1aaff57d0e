#include "build/template/running.hpp"

#include <algorithm>

namespace cooper::build::jinja {

bool Loop::advance(Value& item) {
    if (!after.missing()) {
        item = std::exchange(after, Value());
    } else if (ended || !next(item)) {
        ended = true;
        return false;
    }
    ++index0;
    before = std::exchange(current, item);
    return true;
}

bool Loop::peek() {
    if (after.missing() && !ended) {
        ended = !next(after);
    }
    return !after.missing();
}

/// What has no length is read to its end, and gone over again.
std::int64_t Loop::count(Renderer& renderer) {
    if (length) {
        return *length;
    }
    if (const auto known = length_of(iterable)) {
        length = static_cast<std::int64_t>(*known);
        return *length;
    }
    std::vector<Value> rest;
    for (Value item; !ended && next(item);) {
        renderer.budget()->step();
        rest.push_back(std::move(item));
    }
    length = static_cast<std::int64_t>(rest.size()) + index0 + 1 + (after.missing() ? 0 : 1);
    ended = false;
    next = renderer.iterate(make_list(renderer.budget(), std::move(rest)));
    return *length;
}

void Loop::release() {
    last_changed.clear();
}

/// Whether an item is wanted is decided when it is its turn: the body may have changed what the condition reads.
Next Renderer::filtered(const ForPlan& plan, const Value& iterable) {
    struct State {
        std::shared_ptr<Activation> activation;
        std::shared_ptr<Context> context;
        const Unit* unit;
        Next next;
        bool begun = false;
    };
    auto state =
        std::make_shared<State>(State{activate(plan.filter.slots, activation_), context_, unit_, iterate(iterable)});
    return [this, &plan, state](Value& item) {
        const Entered entered(*this, state->activation, state->context, state->unit, 2);
        line_ = plan.condition->line;
        try {
            if (!std::exchange(state->begun, true)) {
                enter(plan.filter.scope);
            }
            while (state->next(item)) {
                assign(plan.filter_target, item, false);
                if (truth(evaluate(*plan.condition))) {
                    return true;
                }
            }
            return false;
        } catch (const Failure& failure) {
            fail_here(failure);
        }
    };
}

std::shared_ptr<Loop> Renderer::make_loop(const Value& iterable, std::int64_t depth) {
    auto loop = make_object<Loop>(&budget_, 0, Inside(iterable));
    loop->iterable = iterable;
    loop->depth0 = depth;
    return loop;
}

void Renderer::run_for(const Stmt& stmt) {
    const ForPlan& plan = *stmt.loop;
    const Value iterable = evaluate(*plan.over);
    line_ = stmt.line;
    loop_over(plan, iterable, plan.has_loop ? make_loop(iterable, 0) : nullptr);
}

void Renderer::loop_over(const ForPlan& plan, const Value& iterable, const std::shared_ptr<Loop>& loop) {
    Next next = plan.condition ? filtered(plan, iterable) : iterate(iterable);
    if (loop) {
        loop->next = std::move(next);
        if (plan.condition) {
            loop->iterable = Value();  // how many pass the condition, nobody knows yet
        }
        next = [loop](Value& item) { return loop->advance(item); };
    }
    bool any = false;
    for (Value item; next(item);) {
        any = true;
        budget_.step();
        if (loop) {
            at(plan.loop) = Value(Kind::Loop, loop);
        }
        assign(plan.target, item, false);
        enter(plan.scope);
        run(plan.body);
    }
    leave(plan.scope);
    if (loop) {
        loop->next = [](Value&) { return false; };
    }
    if (!any && !plan.otherwise.empty()) {
        enter(plan.else_scope);
        run(plan.otherwise);
        leave(plan.else_scope);
    }
}

void Renderer::run_recursive(const Stmt& stmt) {
    const Value iterable = evaluate(*stmt.loop->over);
    line_ = stmt.line;
    print(recurse(stmt, activation_, iterable, 0), *out_);
    check_output(*out_);
}

/// One level of a recursive loop, which is a function of its own.
Value Renderer::recurse(const Stmt& stmt, const std::shared_ptr<Activation>& around, const Value& iterable,
                        std::int64_t depth) {
    if (calls_ >= kMaxCalls) {
        throw Failure{"a recursive loop goes deeper than " + std::to_string(kMaxCalls) + " levels"};
    }
    const ForPlan& plan = *stmt.loop;
    const auto loop = make_loop(iterable, depth);
    loop->recurse = [&stmt, around](Renderer& renderer, const Value& below, std::int64_t deeper) {
        return renderer.recurse(stmt, around, below, deeper);
    };
    TextBuilder out(&budget_);
    const Entered entered(*this, activate(plan.function.slots, around), context_, unit_);
    const Redirected redirected(out_, out);
    ++calls_;
    try {
        loop_over(plan, iterable, loop);
    } catch (const Failure& failure) {
        fail_here(failure);
    }
    --calls_;
    return make_text(out);
}

}  // namespace cooper::build::jinja

#include "build/template/symbols.hpp"

#include <unordered_set>

namespace cooper::build::jinja {

const Symbols* Symbols::find(const std::string& name) const {
    const Symbols* scope = this;
    while (scope != nullptr && scope->names_.count(name) == 0) {
        scope = scope->parent_;
    }
    return scope;
}

Symbols::Symbol& Symbols::change(const std::string& name) {
    const auto found = names_.find(name);
    if (open_branches_ > 0) {
        log_.emplace_back(name, found == names_.end() ? std::nullopt : std::optional(found->second));
    }
    return found == names_.end() ? names_[name] : found->second;
}

void Symbols::load(const std::string& name) {
    if (find(name) == nullptr) {
        change(name).load = Load::Kind::Resolve;
    }
}

void Symbols::store(const std::string& name) {
    const bool is_new = names_.count(name) == 0;
    const Symbols* const outer = is_new && parent_ != nullptr ? parent_->find(name) : nullptr;
    Symbol& symbol = change(name);
    symbol.stored = true;
    if (is_new) {
        symbol.load = outer != nullptr ? Load::Kind::Alias : Load::Kind::Nothing;
        symbol.source = outer;
    }
}

void Symbols::declare_parameter(const std::string& name) {
    Symbol& symbol = change(name);
    symbol.stored = true;
    symbol.load = Load::Kind::Parameter;
}

Symbols::Changes Symbols::take_back(std::size_t mark) {
    Changes changes;
    std::unordered_set<std::string> seen;
    while (log_.size() > mark) {
        auto& [name, before] = log_.back();
        if (seen.insert(name).second) {
            changes.emplace_back(name, names_.at(name));
        }
        if (before) {
            names_[name] = *before;
        } else {
            names_.erase(name);
        }
        log_.pop_back();
    }
    return changes;
}

void Symbols::branches(const std::vector<std::function<void()>>& branches) {
    std::vector<Changes> found;
    found.reserve(branches.size());
    for (const auto& branch : branches) {
        const std::size_t mark = log_.size();
        ++open_branches_;
        branch();
        --open_branches_;
        found.push_back(take_back(mark));
    }
    std::unordered_map<std::string, std::size_t> setters;
    for (const Changes& changes : found) {
        for (const auto& [name, symbol] : changes) {
            const auto known = names_.find(name);
            if (symbol.stored && (known == names_.end() || !known->second.stored)) {
                ++setters[name];
            }
        }
    }
    for (const Changes& changes : found) {
        for (const auto& [name, after] : changes) {
            Symbol& symbol = change(name);
            const bool stored = symbol.stored || after.stored;
            symbol = after;
            symbol.stored = stored;
        }
    }
    for (const auto& [name, count] : setters) {
        if (count < branches.size()) {  // where no branch sets it, the name means what it meant outside
            const Symbols* const outer = parent_ == nullptr ? nullptr : parent_->find(name);
            Symbol& symbol = change(name);
            symbol.load = outer != nullptr ? Load::Kind::Alias : Load::Kind::Resolve;
            symbol.source = outer;
        }
    }
}

}  // namespace cooper::build::jinja

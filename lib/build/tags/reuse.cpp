#include "cooper/build/reuse.hpp"

#include "cooper/base/error.hpp"
#include "cooper/oci/reference.hpp"
#include "cooper/oci/registry.hpp"

#include <utility>

namespace cooper::build {

namespace {

bool is_there(ImageLookup& lookup, const std::string& image, bool pull, const Run& run) {
    return in_context("while looking for " + image, [&] { return lookup.exists(image, pull, run); });
}

ReuseDecision first_hit(const ImageNames& names, const std::vector<std::string>& all, ImageLookup& lookup,
                        const Run& run) {
    for (const std::string& name : all) {
        if (is_there(lookup, name, true, run)) {
            return {ReuseAction::Reuse, name, "", {}};
        }
    }
    return {ReuseAction::FromScratch, names.source, names.base, all};
}

/// What the source image can be built on, when it is not there itself. The source image must be at hand: one that is
/// only remote would have to be fetched whole to save a small step.
ReuseDecision most_specific(const ImageNames& names, ImageLookup& lookup, const Run& run) {
    if (is_there(lookup, names.source, false, run)) {
        return {ReuseAction::Reuse, names.source, "", {}};
    }
    if (is_there(lookup, names.lock, true, run)) {
        return {ReuseAction::FromLock, names.source, names.lock, {names.source, names.lock}};
    }
    if (is_there(lookup, names.versioned, true, run)) {
        return {ReuseAction::FromVersioned, names.source, names.versioned, {names.source, names.lock}};
    }
    return {ReuseAction::FromScratch, names.source, names.base, {names.source, names.lock, names.versioned}};
}

}  // namespace

bool RegistryLookup::exists(const std::string& image, bool /*pull*/, const Run& run) {
    return registry_.find_digest(oci::Reference::parse(image), run).has_value();
}

std::string_view to_string(ReuseAction action) noexcept {
    switch (action) {
        case ReuseAction::Reuse:
            return "reuse";
        case ReuseAction::FromLock:
            return "from-lock";
        case ReuseAction::FromVersioned:
            return "from-versioned";
        case ReuseAction::FromScratch:
            return "from-scratch";
    }
    return "";
}

ReuseDecision decide_reuse(const ImageNames& names, const ReuseOptions& options, ImageLookup& lookup, const Run& run) {
    std::vector<std::string> all{names.source, names.lock, names.versioned};
    all.insert(all.end(), names.custom.begin(), names.custom.end());
    if (options.first_hit && !options.force) {
        return first_hit(names, all, lookup, run);
    }
    ReuseDecision decision;
    if (options.force) {
        decision = {ReuseAction::FromScratch, names.source, names.base, std::move(all)};
    } else {
        decision = most_specific(names, lookup, run);
        decision.apply.insert(decision.apply.end(), names.custom.begin(), names.custom.end());
    }
    if (options.keep_existing && decision.action != ReuseAction::Reuse) {
        std::erase_if(decision.apply, [&](const std::string& name) { return is_there(lookup, name, false, run); });
    }
    return decision;
}

}  // namespace cooper::build

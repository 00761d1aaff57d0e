// Where images are looked up before one is built, one place after another.
#pragma once

#include "cooper/build/builder.hpp"
#include "cooper/build/reuse.hpp"
#include "cooper/oci/store.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace cooper::build {

/// What the builder itself has. Borrows it.
class BuilderLookup final : public ImageLookup {
public:
    explicit BuilderLookup(Builder& builder) : builder_(builder) {}
    bool exists(const std::string& image, bool pull, const Run& run) override;

private:
    Builder& builder_;
};

/// The local store. With `pull` an image that is found is handed to `load` first (an engine has to have what it is to
/// build on); empty: it is not. Borrows the store.
class StoreLookup final : public ImageLookup {
public:
    using Load = std::function<void(const std::string& image, const Run& run)>;
    explicit StoreLookup(oci::Store& store, Load load = {}) : store_(store), load_(std::move(load)) {}
    bool exists(const std::string& image, bool pull, const Run& run) override;

private:
    oci::Store& store_;
    Load load_;
};

/// Several places in order; the first that has the image answers. Not thread-safe.
class PlacesLookup final : public ImageLookup {
public:
    /// `name` stands in messages and in found_in(): "engine", "registry", "store". `required`: a place that cannot be
    /// asked is an error; false: it is passed over with a warning, once. A registry that answers 401, 403 or 404 has no
    /// such image for us, in either case: many hide what does not exist.
    void add(std::string name, std::unique_ptr<ImageLookup> place, bool required);
    bool exists(const std::string& image, bool pull, const Run& run) override;
    /// Where exists() found the image last; empty: nowhere.
    [[nodiscard]] std::string found_in(const std::string& image) const;

private:
    struct Place {
        std::string name;
        std::unique_ptr<ImageLookup> lookup;
        bool required = true;
        bool gone = false;
    };
    std::vector<Place> places_;
    std::map<std::string, std::string> found_;
};

}  // namespace cooper::build

#include "gate_report.hpp"

#include "cooper/base/clock.hpp"
#include "cooper/delivery/evidence.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::cli {

namespace {

int gravity_of(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const delivery::NotTested&) {
        return 4;
    } catch (const delivery::GateSaidNo&) {
        return 3;
    } catch (const delivery::GateBroke&) {
        return 2;
    } catch (const Error&) {
        return 1;
    }
}

Json gate_json(const GateVerdict& verdict) {
    Json gate{{"kind", verdict.kind},
              {"program", verdict.program.empty() ? Json() : Json(verdict.program)},
              {"verdict", verdict.verdict},
              {"message", verdict.message.empty() ? Json() : Json(verdict.message)},
              {"log", verdict.log.empty() ? Json() : Json(verdict.log.string())}};
    if (verdict.report) {
        const delivery::GateReport& report = *verdict.report;
        gate["took_ms"] = report.took.count();
        gate["subject"] = report.passed.subject;
        gate["report"] = report.report.empty() ? Json() : Json(report.report.string());
        gate["tool"] = {{"path", report.program}, {"digest", report.tool ? Json(report.tool->text()) : Json()}};
    }
    return gate;
}

Json image_json(const GatedImage& image) {
    Json gates = Json::array();
    for (const GateVerdict& verdict : image.verdicts) {
        gates.push_back(gate_json(verdict));
    }
    return {{"image", image.source},
            {"name", image.name},
            {"image_id", image.image_id},
            {"manifest", image.manifest},
            {"tarball", image.tarball ? Json{{"sha256", image.tarball->hex()}, {"size", image.tarball_size}} : Json()},
            {"evidence", image.evidence.empty() ? Json() : Json(image.evidence)},
            {"passed", image.passed()},
            {"gates", std::move(gates)}};
}

std::string gate_text(const GateVerdict& verdict) {
    std::string text = verdict.verdict + (verdict.program.empty() ? "" : ", " + verdict.program);
    if (verdict.report) {
        text += ", " + format_duration(std::chrono::ceil<std::chrono::seconds>(verdict.report->took));
    }
    return text + (verdict.log.empty() ? "" : ", log " + verdict.log.string());
}

}  // namespace

bool GatedImage::passed() const noexcept {
    return std::all_of(verdicts.begin(), verdicts.end(), [](const GateVerdict& verdict) { return !verdict.failure; });
}

std::exception_ptr gravest_failure(const std::vector<GatedImage>& images) {
    std::exception_ptr gravest;
    int most = 0;
    for (const GatedImage& image : images) {
        for (const GateVerdict& verdict : image.verdicts) {
            const int gravity = verdict.failure ? gravity_of(verdict.failure) : 0;
            if (gravity > most) {
                most = gravity;
                gravest = verdict.failure;
            }
        }
    }
    return gravest;
}

void print_gated(const std::vector<GatedImage>& images, bool json) {
    if (json) {
        Json list = Json::array();
        bool passed = true;
        for (const GatedImage& image : images) {
            list.push_back(image_json(image));
            passed = passed && image.passed();
        }
        print_json({{"passed", passed}, {"images", std::move(list)}});
        return;
    }
    std::string out;
    for (const GatedImage& image : images) {
        std::vector<std::pair<std::string, std::string>> rows{{"image ID", image.image_id}};
        if (image.tarball) {
            rows.emplace_back("tarball", std::string(image.tarball->hex()) + ", " + size_text(image.tarball_size));
        }
        for (const GateVerdict& verdict : image.verdicts) {
            rows.emplace_back(verdict.kind, gate_text(verdict));
        }
        rows.emplace_back("evidence", image.evidence);
        out += image.name + "\n" + aligned(rows, "  ");
    }
    print(out);
}

std::vector<delivery::GateRow> gate_rows(const std::vector<GatedImage>& images) {
    std::vector<delivery::GateRow> rows;
    for (const GatedImage& image : images) {
        for (const GateVerdict& verdict : image.verdicts) {
            delivery::GateRow row;
            row.image = image.name;
            row.gate = verdict.kind + (verdict.program.empty() ? "" : ": " + verdict.program);
            row.verdict = verdict.verdict;
            row.detail = verdict.message;
            if (verdict.report) {
                row.took = verdict.report->took;
            }
            rows.push_back(std::move(row));
        }
    }
    return rows;
}

}  // namespace cooper::cli

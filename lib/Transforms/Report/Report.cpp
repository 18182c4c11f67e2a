//===- Report.cpp - What passes decided and counted
//
// Part of the moe-mlir project, under the Apache License v2.0 with LLVM
// Exceptions. See LICENSE for license information.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "MoE/Transforms/Report.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Location.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include <nlohmann/json.hpp>
#include <tuple>

using namespace mlir;
using namespace mlir::moe;
using Json = nlohmann::ordered_json;

/// The categories of remarks of this project's passes, as a regular expression.
static constexpr const char *kCategories = "moe-.*";

/// The key under which remarks hold plain text.
static constexpr llvm::StringLiteral kText = "Remark";

/// A number as it is, anything else as a string.
static std::string toJsonValue(const std::string &value) {
  Json parsed = Json::parse(value, /*cb=*/nullptr, /*allow_exceptions=*/false);
  bool isNumber = !parsed.is_discarded() && parsed.is_number();
  return (isNumber ? parsed : Json(value))
      .dump(/*indent=*/-1, ' ', /*ensure_ascii=*/false,
            Json::error_handler_t::replace);
}

bool Report::Row::operator<(const Row &other) const {
  auto key = [](const Row &row) {
    return std::tie(row.category, row.file, row.line, row.column, row.text,
                    row.metrics);
  };
  return key(*this) < key(other);
}

/// Adds remarks to a report; the context owns it.
class Report::Collector : public remark::detail::MLIRRemarkStreamerBase {
public:
  explicit Collector(Report &report) : report(report) {}

  void streamOptimizationRemark(const remark::detail::Remark &remark) override {
    Row row;
    row.category = remark.getCategoryName().str();
    row.kind = remark.getRemarkTypeString().lower();
    if (auto place = remark.getLocation()->findInstanceOf<FileLineColLoc>()) {
      row.file = place.getFilename().str();
      row.line = place.getLine();
      row.column = place.getColumn();
    }
    for (const remark::detail::Remark::Arg &arg : remark.getArgs()) {
      if (arg.key == kText)
        row.text += arg.val;
      else
        row.metrics[arg.key] = toJsonValue(arg.val);
    }
    std::lock_guard<std::mutex> lock(report.mutex);
    report.rows.push_back(std::move(row));
  }

private:
  Report &report;
};

void Report::collectFrom(MLIRContext &context) {
  remark::RemarkCategories categories;
  categories.passed = categories.missed = kCategories;
  categories.analysis = categories.failed = kCategories;
  LogicalResult enabled = remark::enableOptimizationRemarks(
      context, std::make_unique<Collector>(*this),
      std::make_unique<remark::RemarkEmittingPolicyAll>(), categories);
  (void)enabled; // fails without a streamer or a policy only
}

/// As diagnostics name a place.
std::string Report::Row::getLocation() const {
  if (file.empty())
    return "";
  return file + ":" + std::to_string(line) + ":" + std::to_string(column);
}

std::string Report::toJson() const {
  std::vector<Row> sorted = rows;
  llvm::sort(sorted);
  Json document = {{"remarks", Json::array()}};
  for (const Row &row : sorted) {
    Json metrics = Json::object();
    for (const auto &[key, value] : row.metrics)
      metrics[key] = Json::parse(value);
    document["remarks"].push_back({{"category", row.category},
                                   {"kind", row.kind},
                                   {"location", row.getLocation()},
                                   {"text", row.text},
                                   {"metrics", std::move(metrics)}});
  }
  return document.dump(/*indent=*/1, ' ', /*ensure_ascii=*/false,
                       Json::error_handler_t::replace) +
         "\n";
}

import { shop } from "../../lib/shop.js";

export const GET = shop.pages;
export const POST = shop.pages;

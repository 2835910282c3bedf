const value = await Promise.resolve('module');
export const handler = async () => value;
